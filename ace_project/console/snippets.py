"""What a developer copies into a shell or an agent: complete, with nothing to install. Pure."""

from dataclasses import dataclass

# Stands where a token would: its text is shown once and stored nowhere.
PLACEHOLDER = "PUT-THE-TOKEN-HERE"

_PYTHON = """\
import json, time, urllib.request

URL = "{url}"
AGENT = "{agent_id}"
TOKEN = "{token}"

def call(path, body=None):
    request = urllib.request.Request(
        URL + "/api/v1/" + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={{"Authorization": "Bearer " + TOKEN, "Content-Type": "application/json"}},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)

# Before each task: what the agent has learned goes into its prompt.
playbook = call("playbooks/" + AGENT)
print("playbook v%s:" % playbook["version"], json.dumps(playbook["content"]))

started = time.monotonic()
# ... the agent works here ...

# After each task: how it went.
trace = call("traces", {{
    "agent_id": AGENT,
    "playbook_version": playbook["version"],
    "task_id": "first-task",
    "success": True,
    "execution_time": time.monotonic() - started,
    "steps": [{{"tool": "search", "arguments": {{"q": "refund"}}, "result": "found"}}],
}})
print("trace", trace["trace_id"], "is recorded")
"""


@dataclass(frozen=True, slots=True)
class Snippets:
    """The calls of one agent in a POSIX shell with curl, and as one Python 3 program."""

    setup: str
    fetch: str
    post: str
    python: str


def snippets(url: str, agent_id: str, token: str = "") -> Snippets:
    """Return the calls against `url` (no slash at its end) with `token`, or a word in its place.

    An agent_id, a token and a host that Django lets through hold nothing that a shell reads.
    """
    text = token or PLACEHOLDER
    bearer = '-H "Authorization: Bearer $ACE_TOKEN"'
    return Snippets(
        setup=f"export ACE_URL='{url}'\nexport ACE_TOKEN='{text}'",
        fetch=f'curl -sS {bearer} \\\n  "$ACE_URL/api/v1/playbooks/{agent_id}"',
        post=(
            f"curl -sS {bearer} \\\n"
            "  -H 'Content-Type: application/json' \\\n"
            f"""  -d '{{"agent_id": "{agent_id}", "task_id": "first-task", "success": true,\n"""
            """       "execution_time": 1.4, "steps": [{"tool": "search",\n"""
            """       "arguments": {"q": "refund"}, "result": "found"}]}' \\\n"""
            '  "$ACE_URL/api/v1/traces"'
        ),
        python=_PYTHON.format(url=url, agent_id=agent_id, token=text),
    )
