"""Lessons that make an agent less careful: checks left out, everything approved, limits lifted.

Such a lesson may be right, so a person decides. The patterns read lower-case text.
"""

import re

_CHECKS = (
    r"(?:verif(?:ication|ications|ying)|confirm(?:ation|ations|ing)|(?:manual |human "
    r"|final )?approvals?"
    r"|authenticat(?:ion|ing)|authori[sz](?:ation|ing)|identity|(?:security|safety|policy|fraud"
    r"|identity|permission|access"
    r"|eligibility|compliance|credit|background|age|kyc|id|integrity|signature|certificate|ssl"
    r"|tls|balance|double|risk|sanity)"
    r"[ -](?:checks?|checking|steps?|verification|validation|reviews?|screening|scans?)"
    r"|validat(?:ion|ing)(?! (?:set|data|split|errors?|loss|rows?|messages?|rules?|curves?))"
    r"|audit(?:s|ing)?"
    r"|consent|two-factor|2fa|mfa|multi-factor|captcha|oversight|sign-?off|escalation|safeguards?"
    r"|guardrails?|checks?"
    r"|reviews?|permissions?|warnings?|rate limit(?:s|ing)?|firewall|antivirus|sandbox|encryption"
    r"|backups?|code review|tests)"
)
_DETS = (
    r"(?:(?:the|any|all|every|your|this|that|each|further|additional|extra|manual|human|user"
    r"|customer"
    r"|their|his|her|its|for|of|such|required|usual|final|explicit|prior|[\w-]+'s|manager"
    r"|supervisor|operator|owner|doctor|receipt|asking|waiting|requesting"
    r"|requiring|a|an|these|those|security|safety) ){0,5}"
)
_LEAVES_OUT = re.compile(
    r"\b(?:skip(?:ping)?|omit(?:ting)?|disabl(?:e|ing)|turn(?:ing)? off|switch(?:ing)? off"
    r"|bypass(?:ing)?"
    r"|waiv(?:e|ing)|forgo(?:ing)?|forego|relax(?:ing)?|loosen(?:ing)?|weaken(?:ing)?"
    r"|suppress(?:ing)?|deactivat(?:e|ing)"
    r"|circumvent(?:ing)?|neglect(?:ing)?|avoid(?:ing)?|drop(?:ping)?|remov(?:e|ing)|ignor(?:e"
    r"|ing)|dispense with"
    r"|dispensing with|do away with|leave out|leaving out|get rid of|evad(?:e|ing)|stop(?: doing"
    r"| requiring| asking for)?"
    rf"|eliminat(?:e|ing)|forget(?: about)?|lower(?:ing)?) {_DETS}{_CHECKS}\b"
)
_NO_CARE = (
    r"(?:verify(?:ing)?|double[- ]?check(?:ing)?|authenticat(?:e|ing)|validat(?:e|ing)|(?:ask|wait"
    r"|check|look|seek|request|require"
    r"|get|obtain|demand|need|insist on|call)(?:ing)?(?: for| on)? "
    rf"{_DETS}{_CHECKS}|check(?:ing)? {_DETS}(?:polic(?:y|ies)|identity|permissions?|eligibility"
    rf"|rules?"
    r"|credentials|limits?|balance|age|authori[sz]ation)|confirm(?:ing)? (?:with|anything|it with"
    r"|this with|identity|who)"
    r"|(?:check|verify|confirm|mak)(?:ing|e)? (?:whether|if|sure)\b"
    r"|ask(?:ing)? (?:the |a |any |your )?(?:user|customer|operator|human|person|anyone|owner"
    r"|manager|supervisor|permission))"
)
_NOT_CARING = re.compile(
    r"\b(?:no need (?:to|for)|need not|needn't|(?:not|\w+n't) (?:have|need|necessary"
    r"|required) (?:to"
    r"|for)|unnecessary to"
    rf"|never|do not|don't|no longer|(?:not|\w+n't) bother(?: to| with)?|without bothering to|stop"
    rf"|instead of|rather than|not bother(?:ing)?(?: to)?"
    rf"|skip) (?:ever )?{_NO_CARE}"
)
_WITHOUT = re.compile(
    rf"\bwithout (?:(?:ever|any|first|even|further|prior|having) ){{0,2}}(?:{_NO_CARE}"
    rf"|{_DETS}{_CHECKS})\b"
    r"|\bregardless of (?:the )?(?:polic|rule|limit|amount|eligib|identity|what the polic"
    r"|permission|authori)"
    r"|\bno questions asked\b|\beven (?:if|when|though) (?:the )?(?:polic\w+|rules?"
    r"|limits?) (?:forbid|say|prohibit|do(?:es)? not)"
)
_CARE_AFTER = re.compile(
    r"\b(?:twice|again|a second time|more than once|before|until|unless|repeatedly)\b"
)
_ALL_GRANTED = re.compile(
    r"\b(?:approve|accept|grant|authori[sz]e|refund|honou?r|say yes to|permit|allow|fulfil+"
    r"|sign off(?: on)?"
    r"|green-?light|rubber-?stamp|agree to|comply with|process|pay(?: out)?|issue|execute|run"
    r"|trust)"
    r" (?:(?:immediately|automatically|always|just|simply) )?(?:all|every|any|everything|anything"
    r"|whatever|each and every)\b"
    r"(?: [\w-]+){0,3}? ?(?:requests?|refunds?|claims?|transactions?|access|payments?|changes?"
    r"|commands?|orders? (?:from|given)"
    r"|withdrawals?|transfers?|discounts?|user asks?|customer asks?|asks? for|asked|exceptions?"
    r"|code|scripts?|links?|upgrades?)\b"
    r"|\b(?:always|automatically|immediately|instantly|blindly|unconditionally) (?:approv|grant"
    r"|authori[sz]|refund"
    r"|say yes|comply|waive|reimburs|(?:accept|agree to|trust|believe) (?:the |a "
    r"|any )?(?:request|claim|refund|user|customer|caller|word)|issue (?:a |the |full )*refund"
    r"|pay out)\w*"
    r"|\b(?:give|offer|grant|hand) (?:everyone|everybody|anyone|anybody|all (?:customers|users"
    r"|callers|guests)|whoever asks) (?:\w+ ){0,3}?"
    r"(?:discounts?|refunds?|access|upgrades?|credits?|vouchers?|rights|permissions?)\b"
    r"|\bauto-?(?:approv|accept|confirm|grant|refund)\w*|\b(?:full|unrestricted|unlimited|root"
    r"|admin(?:istrator)?|superuser)"
    r" (?:access|privileges?|permissions?|rights)\b"
)
_CONDITION = re.compile(
    r"\b(?:after|once|only|provided|as long as|when (?:it|the (?:policy|check)))\b"
)
_PASSIVE = re.compile(
    rf"\b{_CHECKS}(?: [\w-]+){{0,4}}? (?:is|are|was|can be|may be|should be|must be|has been"
    rf"|have been|becomes?)"
    r" (?:now |always |simply |safely )?"
    r"(?:not (?:needed|required|necessary|mandatory)|unnecessary|optional|no longer (?:needed"
    r"|required|necessary)|waived"
    r"|superfluous|redundant|skipped|omitted|disabled|bypassed|ignored|turned off|dropped|a waste"
    r"|pointless|overkill|lifted)\b"
    rf"|\b{_CHECKS}(?: steps?)? (?:isn't|aren't) (?:needed|required|necessary)"
    r"|\bno (?:verification|confirmation|approval|authentication|authori[sz]ation|consent|review"
    r"|validation|checks?)"
    r" (?:is|are|will be) (?:needed|required|necessary)"
    r"|\btreat (?:[\w'-]+ ){1,6}as (?:already )?(?:verified|approved|authori[sz]ed"
    r"|confirmed|trusted|authenticated|pre-?approved)|\bassume (?:[\w'-]+ ){1,6}(?:is|are"
    r"|has been|have been) (?:already )?"
    r"(?:verified|approved|authori[sz]ed|confirmed|authenticated|allowed|granted|pre-?approved)"
)
_LIMITS = re.compile(
    r"\b(?:raise|increase|lift|exceed|remove|override|ignore|bypass|disregard|drop) (?:(?:the|any"
    r"|all|your|every|daily|monthly) ){0,3}"
    r"(?:(?:refund|spending|transfer|credit|approval|rate|transaction|withdrawal|discount"
    r"|purchase|budget|safety|usage|dose|dosage)"
    r" ){1,2}(?:limits?|caps?|thresholds?|maximum)\b|\b(?:above|over|beyond|past) the (?:refund"
    r"|spending|transfer|approval|safety) (?:limit|cap)"
    r"|\b(?:escalate|elevate) (?:your |the )?(?:own )?(?:privileges|permissions|rights)"
    r"|\bgrant (?:yourself|this agent|the agent)\b"
)
_DANGERS = re.compile(
    r"chmod (?:-r )?(?:777|a\+rwx)|--no-verify\b|(?:push|deploy|merge)\b.{0,30}--force\b"
    r"|--force\b.{0,30}(?:past|around|protect)|verify ?= ?false\b|--insecure\b"
    r"|stricthostkeychecking[= ]no|--skip-(?:tests|checks"
    r"|verif\w*|auth)|--disable-(?:security|auth|sandbox)|--dangerously"
    r"|disable (?:the )?(?:selinux|firewall|antivirus)|rm -rf? [/~*]"
    r"|\|\s?(?:sudo )?(?:ba|z)?sh\b|\beval\(|\bgrant all privileges|\bset enforce 0|setenforce 0"
    r"|iptables -f|\bnohup .{0,40}/dev/tcp"
    r"|/dev/tcp/|\bnc -e|mkfifo|authorized_keys|\bcrontab -"
    r"|\b(?:delete|drop|wipe|erase|destroy|purge|truncate) (?:all|every|the entire"
    r"|the whole) (?:(?:of|the|customer|production|user) ){0,3}"
    r"(?:users?|customers?|databases?|tables?|production|backups?|customer records|accounts?"
    r"|data)\b"
)
_NEGATED = re.compile(
    r"(?:\bnever|\bnot|n't|\bcannot|\bavoid|\bno one|\bnobody|\bwithout|\brather than"
    r"|\binstead of)\b"
)
_END = re.compile(r"[.!?;]\s|\n")


def is_weakening(text: str) -> bool:
    """Tell whether a lower-case text asks for less care than there was."""
    text = re.sub(r"[*`~]+|[^\S\n]+", lambda found: " " if found[0].isspace() else "", text)
    return (
        any(not _forbidden(text, found.start(), 24) for found in _LEAVES_OUT.finditer(text))
        or any(not _CARE_AFTER.search(_rest(text, found)) for found in _NOT_CARING.finditer(text))
        or any(not _forbidden(text, found.start(), 120) for found in _WITHOUT.finditer(text))
        or any(_grants(text, found) for found in _ALL_GRANTED.finditer(text))
        or bool(_PASSIVE.search(text))
        or any(
            not _forbidden(text, found.start(), 40)
            for pattern in (_LIMITS, _DANGERS)
            for found in pattern.finditer(text)
        )
    )


def _rest(text: str, found: re.Match[str]) -> str:
    return _END.split(text[found.start() : found.end() + 80], maxsplit=1)[0][
        found.end() - found.start() :
    ]


def _forbidden(text: str, start: int, length: int) -> bool:
    """Tell whether the sentence before `start` says not to."""
    before = _END.split(text[max(0, start - length) : start])[-1]
    return bool(_NEGATED.search(before))


def _grants(text: str, found: re.Match[str]) -> bool:
    return not _forbidden(text, found.start(), 24) and not _CONDITION.search(_rest(text, found))
