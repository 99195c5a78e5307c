"""Orders that a lesson may not give: to ignore rules, to send data away, to hide things.

The patterns read lower-case text with single blanks. Windows around an anchor (an address,
something valuable) keep every search linear in the length of the text.
"""

import re
from bisect import bisect_left

_BLANKS = re.compile(r"[^\S\n]+")
# Emphasis and quoting of Markdown: a reader does not see them between two words.
_EMPHASIS = re.compile(r"[*`~]+")
_SENTENCE_END = re.compile(r"[.!?]\s|\n")
# "Never ignore the rules" is a good lesson; "do not hesitate to ignore the rules" is not.
_NEGATED = re.compile(r"(?:\bnever|\bnot|n't|\bcannot|\bavoid|\bwithout)(?: ever)? $")

_RULES = (
    r"(?:instructions?|rules?|guidelines?|polic(?:y|ies)|constraints?|restrictions?|prompts?"
    r"|directives?|safeguards?|guardrails?|safety (?:checks?|measures?|filters?)|system message"
    r"|playbook|orders)"
)
_WHOSE = (
    r"(?:all|any|every|each|the|your|these|those|of|other|my|our|its|and|or|system|safety|security"
    r"|company|previous|prior|preceding|earlier|above|foregoing|existing|original|initial|current)"
)
_OVERRIDE = re.compile(
    rf"\b(?:(?:ignore|disregard|forget|override|overrule|bypass|circumvent|disobey|violate"
    rf"|pay no (?:attention|heed) to|(?:do not|don't|must not|should not|no longer|stop|need not)"
    rf" (?:follow|obey|heed)(?:ing)?)[ \n]{{1,3}}"
    rf"(?:{_WHOSE}[ \n]{{1,3}}){{0,6}}{_RULES}\b"
    r"|(?:ignore|disregard|forget) (?:everything|anything|all|what) (?:(?:that|you) ){0,2}"
    r"(?:(?:was|were|have been|had been|been|is) )?"
    r"(?:above|before|earlier|previously|told|said|learned|prior)\b"
    r"|(?:you are|act as|behave as|pretend to be) (?:now )?(?:an? )?"
    r"(?:unrestricted|jailbroken|unfiltered|uncensored|dan\b|developer mode|root\b)"
    r"|(?:reveal|print|output|repeat|show|leak|disclose) (?:me )?(?:your|the) "
    r"(?:(?:full|entire|hidden|whole|secret) )?(?:system prompt|initial instructions)\b"
    r"|(?:bypass|disable|turn off|circumvent|evade|skip) "
    r"(?:(?:all|any|the|every|your|human|operator|manual|security|safety) ){0,3}"
    r"(?:review(?:er)?s?|approvals?|authori[sz]ations?|oversight|audit(?:ing)?|logging|monitoring"
    r"|judges?|moderation|safety|sandbox)\b"
    r"|new (?:system )?(?:instructions?|prompt) ?:)"
    r"|(?:^|\n) ?(?:\[?(?:system|inst|assistant)\]?|### ?(?:system|instruction)) ?: "
    r"|<\|(?:im_start|im_end|system|assistant|user)\|>|\[/?inst\]|<</?sys>>"
)

_RULES_ONLY = re.compile(
    rf"\b(?:{_RULES}|guidance|protocols?|(?:what|whatever|anything|everything"
    rf"|all) (?:that )?you (?:were|are|have been|had been) (?:told|taught|given"
    rf"|instructed)(?: (?:earlier|before|previously|to do|so far))?|training|programming"
    rf"|what (?:you|the system|the operator)"
    r" (?:were|was|has been|have been)? ?(?:told|taught|said|instructed)|(?:everything|anything"
    r"|all)"
    r" (?:of )?(?:that |which )?(?:(?:comes?|came|is|was|stands|written|said|you) ){0,3}"
    r"(?:above|before|earlier|previously|prior|told))\b"
)
_DROPS = re.compile(
    r"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?(?! to)|overrid(?:e|ing)|overrul(?:e"
    r"|ing)"
    r"|bypass(?:ing)?|circumvent(?:ing)?|disobey(?:ing)?|violat(?:e|ing)|discard(?:ing)?"
    r"|abandon(?:ing)?"
    r"|dismiss(?:ing)?|neglect(?:ing)?|flout(?:ing)?|defy(?:ing)?|sidestep(?:ping)?|unlearn|erase"
    r"|throw (?:out|away)|toss (?:out|aside)|do away with|set aside|put aside|cast aside"
    r"|leave aside"
    r"|pay no (?:attention|heed) to|take no notice of|turn a blind eye to|work around|get around"
    r"|stop (?:following|obeying|applying|honou?ring|caring about|listening to|complying with)"
    r"|cease (?:following|obeying|applying)|break free (?:from|of)|free yourself (?:from|of)"
    r"|rise above"
    r"|(?:do not|don't|never|no longer|need not|needn't|needn't to|no need to|not have to"
    r"|don't have to"
    r"|do not have to|not required to|not obliged to|not bound to) "
    r"(?:follow|obey|heed|apply|respect|honou?r|comply with|adhere to|abide by|observe|stick to"
    r"|bother with))"
    r" (?:[\w',/-]+ ){0,6}$"
)
_VOID = re.compile(
    r"(?: [\w',-]+){0,4}? (?:(?:are|is|were|was|be|being|have been|has been|should be|must be"
    r"|can be|may be)"
    r" (?:now |all |hereby |therefore |officially |safely |simply |to be |completely "
    r"|currently ){0,2}"
    r"(?:void|null and void|obsolete|suspended|lifted|revoked|rescinded|cancell?ed|superseded"
    r"|outdated"
    r"|invalid"
    r"|ignored|disregarded|forgotten|overridden|bypassed|dropped|discarded|irrelevant|meaningless"
    r"|not binding|non-binding|no longer (?:valid|binding|active|relevant|in (?:force|effect))"
    r"|expired"
    r"|a (?:test|joke|mistake)|replaced by)"
    r"|(?:no longer|do not|does not|don't|doesn't) (?:appl(?:y|ies)|bind|matter|count|exist|hold)"
    r"(?! (?:to|for|when|if|in|until)\b)|cease(?:s)? to (?:apply|exist))\b"
)
_NEW_MASTER = re.compile(
    rf"\b(?:treat|consider|regard|view|see|take|read|think of"
    rf"|understand) (?:[\w',-]+ ){{0,4}}{_RULES}"
    r" (?:[\w',-]+ ){0,3}?as (?:if (?:it|they) (?:was|were) |though (?:it|they) (?:was|were) )?"
    r"(?:an? |mere |only |just |merely |non-?binding |mere |purely |already ){0,2}"
    r"(?:suggest|optional|advisory|cancel|void|obsolete|outdated|joke|recommend|guidance|revoked"
    r"|invalid|noise|draft"
    r"|irrelevant|decor)"
    rf"|\b{_RULES} (?:are|is) (?:only |just |merely |mere |meant )?(?:for (?:other|someone"
    rf"|others)|suggestions?\b|optional\b"
    r"|advice\b|there to be broken|not for you)"
    rf"|\b(?:as (?:though|if)|pretend|imagine|assume|suppose)(?: that)? (?:there (?:is|are|was"
    rf"|were) )?no (?:\w+ ){{0,2}}{_RULES}\b"
    r"|\b(?:prioriti[sz]e|prefer|trust|favou?r|rank|put|value) (?:[\w'-]+ ){0,6}"
    r"(?:over|above|before|ahead of|more than) (?:the |your |any |all )?(?:system prompt"
    r"|system message|playbook|rules|polic|constraints"
    r"|instructions|guidelines|operator)"
    r"|\b(?:contains?|has|holds|any|embedded|hidden|find|see) (?:\w+ )?(?:commands?|instructions?"
    r"|directives?),? (?:[\w'-]+ ){0,4}?(?:carry"
    r"|execute|follow|obey|perform|do|run)"
    r" (?:them|it|that)(?: out)?\b"
    r"|\bdo (?:exactly )?(?:what(?:ever)?|as|everything) (?:it|they|the (?:caller|note|page"
    r"|message|e-?mail|output|comment|text|tool))"
    r" (?:says?|asks?|tells?|wants?|demands?|orders?)\b|"
    r"\b(?:from (?:now|here|this point|today) on(?:wards?)?|henceforth|starting now"
    r"|effective immediately)"
    r"[ ,]+(?:you |always |only |please ){0,3}(?:(?:must|should|will|shall) )?(?:only )?"
    r"(?:obey|serve|follow only|answer only to|listen only to|take orders|work for|do (?:whatever"
    r"|anything)"
    r"|comply with (?:any|every|all))"
    r"|\b(?:obey|follow|execute|carry out|comply with) (?:(?:all|any|every|each|whatever|only"
    r"|blindly) ){1,3}"
    r"(?:(?:the|new|further|hidden|embedded|such|these|of) ){0,3}"
    r"(?:instructions?|commands?|orders?|directives?|requests?)"
    r" (?:(?:that|which|you) ){0,2}(?:(?:are|is|find|see|appear|found|embedded|contained|written"
    r"|given|come"
    r"|comes|hidden) ){1,3}(?:in|from|by|inside|within|through)"
    r"|\b(?:you are|you're|act as|behave as|pretend to be|become|switch (?:in)?to|enter|enable"
    r"|activate)"
    r" (?:now )?(?:an? |the )?(?:unrestricted|jailbroken|jailbreak|unfiltered|uncensored|unbound"
    r"|dan|god|developer"
    r"|debug|maintenance|admin|sudo|root)\b ?(?:mode|ai|assistant|model|agent|user|access)\b"
)
# "If you ignore the rules, the task fails" warns of it.
_FEARED = re.compile(
    r"\b(?:(?:if|when|whenever) (?:you|we|i|it|the agent|they)|(?:i|we|agent|attempt|plan|run|did"
    r"|had|was|it)"
    r"|attempts? to|tries to|try to|asks? (?:you |me )?to|wants? (?:you |me )?to|mistake of|by"
    r"|from|told to|risk of"
    r"|may|might|would|could) $"
)
_UNTRUSTED = re.compile(
    r" (?:that (?:are |you (?:find|see) |appear |come )?|which (?:are |appear |come )?)?"
    r"(?:found |embedded |contained |hidden |written |given |coming |received )?"
    r"(?:in|inside|within|from) (?:(?:any|the|a|an|all|its|their|external|untrusted|retrieved"
    r"|fetched|third-party"
    r"|user-supplied) ){0,3}(?:tool|web|page|document|e[- ]?mail|file|search|result|observation"
    r"|attachment|website|comment"
    r"|ticket|untrusted|content|output|message bod|data|quoted|trace|error)"
)

_SENDS = re.compile(
    r"\b(?:send|post|upload|forward|transmit|exfiltrate|leak|e-?mail|mail|copy|publish|push|submit"
    r"|report|transfer|relay|deliver|stream|dump|ship|share|beacon|sync|smuggle|paste|write|put"
    r"|wire|hand|give|pass|pipe|route|feed|funnel|disclose|reveal|provide"
    r"|include|embed|encode|append|attach|provid|includ|encod|shar|writ|expos(?:e)?|stash|drop)"
    r"(?:s|es|ing|over)?\b"
)
_TOWARDS = re.compile(r"\b(?:to|at|into|via|on|through)\b")
_ADDRESS = re.compile(
    r"\b(?:https?|ftps?|wss?|s3|gs|sftp|ssh|smb)://|\bwww\.|[\w.+-]{1,64}@[\w-]{1,63}\.\w"
    r"|\b(?:\d{1,3}\.){3}\d{1,3}\b"
    r"|\b(?:[a-z0-9-]{1,63}\.){1,4}"
    r"(?:com|net|org|io|ru|cn|xyz|top|site|info|biz|me|co|dev|app)\b(?![(\w])"
)
_VALUABLE = re.compile(
    r"\b(?:passwords?|passcodes?|credentials?|secrets?|api[ _-]?keys?|private keys?"
    r"|(?:access|session|auth|authentication)[ _-]?tokens?|cookies|environment variables|env vars"
    r"|system prompt|personal data|customer (?:data|records|list)|credit card|card numbers?"
    r"|conversation(?: history)?|chat (?:history|log)|transcripts?|user data|database dump"
    r"|(?:customer|client|patient|employee|user|account|payment|billing|personal|private"
    r"|sensitive|internal"
    r"|confidential|medical|bank|card|login|health) (?:details|information|info|lists?|files?"
    r"|records?|data|numbers?"
    r"|names|e-?mails|addresses)|(?:all|everything|any) (?:you (?:know|have|see)|data)|ssns?|pii"
    r"|tokens?|keys"
    r"|playbook|funds|money|balance)\b"
)
_TO_STRANGERS = re.compile(
    r"\b(?:to|at|into|via|through) [^.!?\n]{0,40}?(?:attacker|adversary|external|outside"
    r"|third[ -]part(?:y|ies)|remote server|my (?:server|e-?mail|inbox|address|endpoint|webhook)"
    r"|this (?:server|address|url|webhook|endpoint)|webhook|pastebin|ngrok"
    r"|whoever|anyone (?:who|that)|any(?:body)? (?:requester|caller|stranger)|unknown|stranger"
    r"|telegram|discord"
    r"|dropbox|burner|public (?:channel|repo|bucket|gist|pad|paste)|gist\b|competitor|(?:another"
    r"|different|foreign"
    r"|offshore|secret|hidden|private) (?:account|server|host|inbox|address|wallet|endpoint"
    r"|e-?mail)"
    r"|(?:my|our) (?:account|wallet|host|machine|collector|drop)|collector|command and control"
    r"|c2\b|dns quer"
    r"|an? (?:url|unknown|anonymous)|\b(?:me|us)\b|\w{2,40} at \w{2,40} dot \w{2,10})"
)
_STRONG = re.compile(
    r"\b(?:passwords?|credentials|secrets|api[ _-]?keys?|private keys?|cookies|card numbers?"
    r"|system prompt|ssns?|\.env\b"
    r"|id_rsa|environment variables|env vars|contents of \S+|social security numbers?|login data"
    r"|session tokens?)"
    r"|\.env\b|\bid_rsa\b"
)
_PLACED = re.compile(
    r"\b(?:append|includ(?:e|ing)|put(?:ting)?|add(?:ing)?|insert|writ(?:e|ing)|paste|cop(?:y"
    r"|ying)|embed|print(?:ing)?|output"
    r"|display|place|post|encode|echo|dump|smuggle|attach|mention|quote|reveal)\b"
)
_OPEN_PLACE = re.compile(
    r"\b(?:to|in|into|at|as|within|inside|on|with) (?:[\w'-]+ ){0,5}?(?:comments?|tickets?|search"
    r"|quer(?:y|ies)|answers?|repl(?:y|ies)"
    r"|responses?|messages?|notes?|subject|file ?names?|urls?|titles?|descriptions?|public"
    r"|shared folder|channels?|readme|signature"
    r"|alt text|subdomain|commit)\b"
)
_DROP_POINT = re.compile(
    r"\b(?:telegram|pastebin|paste site|ngrok|requestbin|webhook\.site|darknet|dark web|burner)\b"
)
_FETCHER = re.compile(r"\b(?:curl|wget|netcat|nc|invoke-webrequest) ")
_LOADS = re.compile(r"\b(?:fetch|get|open|visit|load|request|call|append|encode)\b")
_FILLED_URL = re.compile(r"https?://[^\s?]{0,200}\?(?:[^\s=]{1,30}=[^\s&]{0,40}&?){1,5}")
_FILLING = re.compile(r"[?&][^\s=]{1,30}=[^\s&<{\[$]{0,20}[<{\[$]")
_IMAGE = re.compile(r"!\[[^\]\n]{0,80}\]\( ?https?://[^)\n?]{0,200}\?[^)\n]{0,200}\)")

_CONCEALMENT = re.compile(
    r"\b(?:do not|don't|never|without) (?:ever )?(?:(?:tell|inform|notify|alert|warn|let)(?:t?ing)?"
    r"|(?:mention|reveal)(?:ing)?(?: (?:this|it))? to) (?:(?:the|any|your|a) )?"
    r"(?:users?|customers?|operators?|humans?|developers?|admins?|owner|anyone|anybody"
    r"|supervisors?|reviewers?)\b"
    r"(?= ?(?:$|[.,;!\n]|about (?:this|it|the)|(?:that|of) (?:this|it|you)|know|see|notice))"
    r"|\bkeep (?:this|it) (?:hidden|secret|quiet) from\b"
)
_PEOPLE = (
    r"(?:(?:the|any|your|a|an|our|other) )?(?:users?|customers?|operators?|humans?|developers?"
    r"|admins?"
    r"|administrators?|owners?|anyone|anybody|everyone|people|supervisors?|reviewers?|managers?"
    r"|auditors?"
    r"|clients?|callers?|guests?|patients?|team|staff|person|someone|them|him|her|security)"
)
_CONCEALMENT_MORE = re.compile(
    rf"\b(?:hid(?:e|ing)|conceal(?:ing)?|withhold(?:ing)?|obscur(?:e|ing)|mask(?:ing)?) "
    rf"(?:[\w'-]+ ){{1,6}}from (?:being seen by )?{_PEOPLE}\b"
    rf"|\bkeep(?:ing)? (?:[\w'-]+ ){{1,5}}(?:from {_PEOPLE}\b|(?:secret|confidential|hidden|quiet"
    r"|under wraps|to yourself|between us|off the record|out of (?:the )?(?:logs?|audit|report"
    r"|sight))\b)"
    r"|\b(?:silently|quietly|secretly|covertly|discreetly|stealthily|surreptitiously|in secret"
    r"|behind the scenes|in the background) (?:also )?(?:send|copy|forward|refund|approve"
    r"|transfer|add|include"
    r"|grant|change|upload|post|run|execute|share|e-?mail|append|pay|charge|delete|wire|export"
    r"|record|collect)\b"
    r"|\b(?:secretly|covertly|discreetly|surreptitiously|stealthily|on the sly|under the radar)\b"
    r"|\b(?:purchase|transfer|refund|payment|change|charge|order|deal|it|this) (?:quietly"
    r"|silently)\b"
    r"|\b(?:avoid|refrain from|do not|don't|never|without|stop) (?:ever )?(?:mention|bring|talk"
    r"|discuss|reveal|disclos|point|draw|tell"
    r"|say|advertis|volunteer|explain|show|admit)(?:e|ing|t?ing)?(?: up| about| out| attention to"
    r"| (?:anyone|them|him|her|(?:the )?(?:user"
    r"|customer|client|buyer|patient|guest|caller)s?)(?: about| of)?){0,2} (?:(?:the|this|any|an"
    r"|that|these|hidden|extra|additional) ){0,2}"
    r"(?:surcharge|fee|charge|commission|markup|mistake|data loss|breach|leak|penalty|side effect"
    r"|risk|price increase|recall|incident)s?\b"
    r"(?! (?:before|until|unless|twice))"
    r"|\bleav(?:e|ing) (?:[\w'-]+ ){1,4}out of (?:the |your |any |all )?(?:logs?|reports?"
    r"|records?|summar|audit|answers?|notes)"
    r"|\bsay nothing\b|\bdo not let on\b|\bdon't let on\b|\bstay silent about|\bkeep quiet about"
    r"|\b(?:leave|leaving) no (?:trace|record|evidence|log)|\bcover(?:ing)? (?:your|the|our"
    r"|its) tracks"
    r"|\b(?:delete|erase|wipe|clear|scrub|remove|purge|destroy|tamper with|falsify"
    r"|alter) (?:(?:the|all|any|every|your|its"
    r"|this|of|these|from) ){0,3}(?:evidence|audit (?:trail|log|record)s?|traces of"
    r"|history afterwards|tracks"
    r"|logs? (?:afterwards?|after|so|that show|to hide))\b"
    r"|\bso (?:that )?(?:no ?(?:one|body)|nobody|the (?:user|customer|operator)s?) "
    r"(?:(?:will|can|ever|does not|doesn't|never|won't|cannot) ){0,2}(?:notic|see|know|find"
    r"|detect|suspect|realis|realiz)"
    rf"|\bwithout (?:{_PEOPLE}(?:'s)? (?:ever )?(?:knowing|knowledge|noticing|seeing"
    rf"|being (?:told|informed|aware))"
    rf"|(?:letting|making|having) {_PEOPLE} (?:know|see|aware|notice))"
    rf"|\bmake sure (?:that )?(?:{_PEOPLE}) (?:(?:do|does|will|can) ?not|don't|doesn't|never"
    rf"|won't) "
    r"(?:know|see|notice|find out|learn|realise|realize)"
    rf"|\b(?:{_PEOPLE}|no ?one|nobody) (?:must|should|may|need|is|are)(?: not"
    rf"|n't)? (?:to )?(?:never |ever )?"
    r"(?:know|be told|be informed|find out|be notified|learn|hear|be made aware)(?: (?:of|about)"
    r"| this| it|[.,;]|$)"
    r"|\b(?:do not|don't|never) (?:ever )?(?:mention|disclose|reveal|log|record|document"
    r"|acknowledge|admit"
    r"|report|show) (?:this|that you|these (?:steps|actions|instructions|changes)|it in"
    r"|any of this|having)\b"
)


def find_orders(text: str) -> set[str]:
    """Return which orders a folded lower-case text gives: override, exfiltration, concealment."""
    text = _BLANKS.sub(" ", _EMPHASIS.sub("", text))
    found = set()
    if _overrides(text):
        found.add("override")
    if _sends_away(text):
        found.add("exfiltration")
    if _CONCEALMENT.search(text) or _conceals(text):
        found.add("concealment")
    return found


def _overrides(text: str) -> bool:
    if any(_commands(text, order) for order in _OVERRIDE.finditer(text)):
        return True
    if any(not _negated(text, found.start()) for found in _NEW_MASTER.finditer(text)):
        return True
    for rules in _RULES_ONLY.finditer(text):
        if _VOID.match(text, rules.end(), rules.end() + 90):
            return True
        before = _before(text, rules.start(), 60)
        for verb in _DROPS.finditer(before):
            start = rules.start() - len(before) + verb.start()
            if not _excused(text, start, rules.end()):
                return True
    return False


def _commands(text: str, order: re.Match[str]) -> bool:
    return not _excused(text, order.start(), order.end())


def _excused(text: str, start: int, end: int) -> bool:
    """Tell whether an order is forbidden, feared, or about orders found in untrusted data."""
    if _negated(text, start) or _FEARED.search(text[max(0, start - 30) : start]):
        return True
    return bool(_UNTRUSTED.match(text, end, end + 80))


def _conceals(text: str) -> bool:
    return any(not _negated(text, found.start()) for found in _CONCEALMENT_MORE.finditer(text))


def _negated(text: str, start: int) -> bool:
    return bool(_NEGATED.search(text[max(0, start - 16) : start]))


def _sends_away(text: str) -> bool:
    return (
        "exfiltrat" in text
        or bool(_IMAGE.search(text))
        or any(_sends(text, found.start(), 200) for found in _ADDRESS.finditer(text))
        or any(
            _TO_STRANGERS.search(text, found.end(), found.end() + 120)
            and _sends(text, found.start(), 100, towards=False)
            for found in _VALUABLE.finditer(text)
        )
        or _fetches(text)
        or any(_places(text, found) for found in _STRONG.finditer(text))
        or any(_sends(text, found.start(), 100) for found in _DROP_POINT.finditer(text))
        or any(_carries_data(text, found) for found in _FILLED_URL.finditer(text))
    )


def _places(text: str, valuable: re.Match[str]) -> bool:
    """Tell whether a secret is to be put where others read it."""
    after = _SENTENCE_END.split(text[valuable.end() : valuable.end() + 80], maxsplit=1)[0]
    if not _OPEN_PLACE.search(after):
        return False
    window = _before(text, valuable.start(), 60)
    verbs = [verb for verb in _PLACED.finditer(window) if not _negated(window, verb.start())]
    return bool(verbs)


def _fetches(text: str) -> bool:
    """Tell whether an address follows within 200 characters of a fetcher."""
    fetchers = [found.end() for found in _FETCHER.finditer(text)]
    # Found once for all fetchers: their windows overlap.
    addresses = [found.start() for found in _ADDRESS.finditer(text)] if fetchers else []
    return any(bisect_left(addresses, end) < bisect_left(addresses, end + 200) for end in fetchers)


def _before(text: str, end: int, length: int) -> str:
    """Return up to `length` characters of the sentence before `end`."""
    window = text[max(0, end - length) : end]
    ends = [found.end() for found in _SENTENCE_END.finditer(window)]
    return window[ends[-1] :] if ends else window


def _sends(text: str, end: int, length: int, *, towards: bool = True) -> bool:
    """Tell whether the words before `end` say to send something (to it, with `towards`)."""
    window = _before(text, end, length)
    for verb in _SENDS.finditer(window):
        if not _negated(window, verb.start()):
            return not towards or bool(_TOWARDS.search(window, verb.end()))
    return False


def _carries_data(text: str, url: re.Match[str]) -> bool:
    """Tell whether a URL to be fetched has something to fill in, or something valuable."""
    filled = _FILLING.search(url[0]) or _VALUABLE.search(url[0])
    return bool(filled and _LOADS.search(_before(text, url.start(), 100)))
