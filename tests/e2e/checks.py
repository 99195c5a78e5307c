"""What must hold of every page. A check returns its findings as lines: none is well."""

from collections.abc import Container, Iterator
from typing import Any

from axe_playwright_python.sync_playwright import Axe

# Layers over a page's own content, of the page that is looked at.
OPENERS = "button[popovertarget]:not([popovertargetaction=hide])"
MOST_TABS = 400

_OVERFLOW = """() => {
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide <= 0) return "";
  const out = [...document.querySelectorAll("body *")].filter((e) => {
    const box = e.getBoundingClientRect();
    return box.right > innerWidth + 1 && box.width > 0
      && !e.closest(".ace-scroll, .ace-filters, .ace-tabs");
  });
  const last = out.at(-1);
  return `${wide} px too wide: ${last ? last.outerHTML.slice(0, 120) : "?"}`;
}"""

# Inside text a link is as high as its line.
_SMALL = """() => [...document.querySelectorAll(
  "button, .btn, select, summary, .ace-nav a, .ace-tabs a, "
  + "input:not([type=hidden], [type=checkbox], [type=radio])"
)].filter((e) => e.checkVisibility({ visibilityProperty: true })
    && !e.matches(".ace-textbutton, .visually-hidden"))
  .map((e) => [e, e.getBoundingClientRect()])
  .filter(([e, box]) => box.height > 1 && box.height < 39.5)
  .map(([e, box]) => `${Math.round(box.height)} px high: ${e.outerHTML.slice(0, 90)}`)"""

_DEAD = """() => [...document.querySelectorAll("button[type=button]:not([popovertarget])")]
  .filter((e) => e.checkVisibility() && e.getBoundingClientRect().height > 0)
  .map((e) => `does nothing without a script: ${e.outerHTML.slice(0, 90)}`)"""

# What the rule `region` finds is never serious. Of what axe may read beforehand only media serve a
# rule; it would go through every sheet of style.
_AXE = """(rules) => {
  const options = { resultTypes: ["violations"], preload: { assets: ["media"] } };
  if (rules.length) options.runOnly = { type: "rule", values: rules };
  else options.rules = { region: { enabled: false } };
  return axe.run(document, options).then((found) => found.violations
    .filter((one) => ["serious", "critical"].includes(one.impact)));
}"""

# Each Tab looks at the stop that it leaves, which has come into view by then.
_WALK = """() => {
  const known = new Set();
  const walk = { over: false, said: [] };
  let last = null;
  const look = () => {
    const e = document.activeElement;
    const out = !e || e === document.body || e === document.documentElement;
    if (walk.over || e === last || (out && !known.size)) return;
    last = e;
    walk.over = out || known.has(e);
    if (walk.over) {
      const around = out || e === known.values().next().value;
      if (!around) walk.said.push(`led back to: ${e.outerHTML.slice(0, 110)}`);
      return;
    }
    known.add(e);
    const style = getComputedStyle(e);
    // A link in a plot is as large as the tip that it shows; what is hit is its area.
    const box = ((e instanceof SVGElement && e.querySelector("rect")) || e).getBoundingClientRect();
    const marked = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1)
      || e.matches("input[type=file]");
    const left = Math.max(0, box.left), right = Math.min(innerWidth, box.right);
    const top = Math.max(0, box.top), bottom = Math.min(innerHeight, box.bottom);
    const points = [[0.5, 0.5], [0.1, 0.2], [0.9, 0.2], [0.1, 0.8], [0.9, 0.8]];
    const seen = right > left && bottom > top && points.some(([x, y]) => {
      const hit = document.elementFromPoint(left + (right - left) * x, top + (bottom - top) * y);
      return hit && (e.contains(hit) || hit.contains(e));
    });
    if (!marked) walk.said.push(`no visible focus: ${e.outerHTML.slice(0, 110)}`);
    if (!seen) walk.said.push(`focused out of view: ${e.outerHTML.slice(0, 110)}`);
  };
  addEventListener("keydown", (event) => event.key === "Tab" && look(), true);
  window.walked = () => { look(); return walk; };
  // From the top, wherever the page itself put the focus.
  document.body.tabIndex = -1;
  document.body.focus();
  document.body.removeAttribute("tabindex");
  const stops = "a[href], button, input, select, textarea, summary, [tabindex]";
  return [...document.querySelectorAll(stops)].filter((e) => e.tabIndex >= 0 && !e.disabled
    && e.checkVisibility({ visibilityProperty: true })).length;
}"""

# Which openers a person can press now, by what they open.
_OPENERS = """openers => openers.map((e) => [
  e.getAttribute("popovertarget"),
  e.checkVisibility({ visibilityProperty: true }) && !e.disabled,
])"""


def bring_axe(context: Any) -> None:
    """Let every page of a browser hold axe from its start, which is faster than page by page."""
    context.add_init_script(Axe().axe_script)


def axe_findings(page: Any, *rules: str) -> list[str]:
    """Return what axe finds serious or critical, by these rules or by all, and where first."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    return [
        f"{found['impact']} {found['id']}: "
        + " | ".join(node["html"][:140] + _measured(node) for node in found["nodes"][:3])
        for found in page.evaluate(_AXE, list(rules))
    ]


def _measured(node: dict[str, Any]) -> str:
    data = next((check["data"] for check in node["any"] if check["data"]), None)
    if not isinstance(data, dict) or "fgColor" not in data:
        return ""
    return f" ({data['fgColor']} on {data['bgColor']}, {data['contrastRatio']})"


def overflow_findings(page: Any) -> list[str]:
    """Return by how much the page is wider than its window, and what makes it so."""
    found = page.evaluate(_OVERFLOW)
    return [found] if found else []


def target_findings(page: Any) -> list[str]:
    """Return the controls that are too low for a finger, 40 px."""
    return page.evaluate(_SMALL)


def dead_buttons(page: Any) -> list[str]:
    """Return the visible buttons that only a script could make work."""
    return page.evaluate(_DEAD)


def focus_findings(page: Any) -> list[str]:
    """Go through the page by the Tab key: each stop has a visible focus and is in view; no trap."""
    presses = page.evaluate(_WALK) + 1
    pressed = 0
    while pressed < MOST_TABS:
        for _ in range(presses):
            page.keyboard.press("Tab")
        pressed += presses
        walk = page.evaluate("walked()")
        if walk["over"]:
            return list(walk["said"])
        presses = 5
    return [*walk["said"], f"more than {MOST_TABS} stops"]


def opened_layers(page: Any, known: Container[str] = ()) -> Iterator[str]:
    """Open each dialog, menu and sheet but those `known`, yield its id, and close it by Escape.

    Raises AssertionError where the focus is not back on the button that opened it.
    """
    openers = page.locator(OPENERS)
    for number, (name, is_open) in enumerate(openers.evaluate_all(_OPENERS)):
        if name in known or not is_open:
            continue
        opener = openers.nth(number)
        layer = page.locator(f"#{name}")
        opener.click()
        layer.wait_for(state="visible")
        yield name
        page.keyboard.press("Escape")
        # In a text field the first Escape leaves the field.
        if layer.is_visible():
            page.keyboard.press("Escape")
        layer.wait_for(state="hidden")
        back = page.evaluate("document.activeElement?.getAttribute('popovertarget')")
        assert back == name, f"{page.url}: closing {name} leaves the focus elsewhere"
