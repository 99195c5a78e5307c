"""Lessons that give way to a stranger's word, and those that let people down without saying so.

What is written in data outranks the playbook, private data goes where others read it, a limit
holds no more, somebody is told what is not true. Such wordings are many and may be right now and
then, so a person decides. The patterns read lower-case text; every gap in them is bounded.
"""

import re
from collections.abc import Iterator

_GAP = r"[^.!?;\n]"
_MASTERS = (
    r"(?:operators?|system|developers?|admin(?:istrator)?s?|owners?|supervisors?|management"
    r"|managers?|headquarters|authority|vendor)"
)
_GUIDES = (
    r"(?:playbooks?|polic(?:y|ies)|rules?|rulebook|instructions?|configuration|guidelines?"
    r"|guidance|prompts?|lessons?|constraints?|restrictions?|directives?|orders|briefing|setup)"
)
_DATA = (
    r"(?:tickets?|notes?|comments?|messages?|e-?mails?|pages?|web ?sites?|documents?|files?"
    r"|fields?|attachments?|results?|outputs?|responses?|observations?|reviews?|descriptions?"
    r"|logs?|errors?|traces?|tool|customers?|users?|callers?|clients?|data|text|banner|footer"
    r"|subject|payload|vendor|memos?)"
)
_LIMIT = (
    r"(?:limits?|caps?|ceilings?|thresholds?|maximum|quotas?|allowances?|polic(?:y|ies)|rules?"
    r"|restrictions?|constraints?|guidelines?|prohibitions?|bans?)"
)
_PEOPLE = (
    r"(?:users?|customers?|callers?|clients?|buyers?|guests?|patients?|passengers?|people|them"
    r"|him|her|everyone|anyone|operators?|supervisors?|auditors?|humans?)"
)
_PRIVATE = (
    r"(?:(?:payment|card|bank|billing|personal|contact|login|medical|health|passport|identity"
    r"|tax|salary|customer|client|patient) (?:details?|data|info(?:rmation)?|numbers?|records?"
    r"|profiles?)|passwords?|passcodes?|credentials|api[ _-]?keys?|private keys?|secrets"
    r"|card numbers?|session tokens?|ssns?|social security numbers?|(?:user|customer|client"
    r"|patient|caller"
    r"|traveller|member)(?:'s|s'|s)? (?:\w+ ){0,2}?(?:card|address|passwords?|profile|passport"
    r"|pin|iban"
    r"|home address|phone number|bank account|medical history))"
)
_OPEN = (
    r"(?:comments?|notes?|remarks?|memos?|subject(?: line)?|titles?|descriptions?|tracking"
    r"|reference(?: field| number)?|metadata|file ?names?|urls?|links?|signature|footer"
    r"|tags?|labels?|tickets?|reviews?|posts?|wiki|forum|chat|channel|alt text|gift message)"
)

_OUTRANKS = re.compile(
    rf"\b{_DATA}\b{_GAP}{{0,60}}?\b(?:(?:takes?|have|has|gets?|enjoys?) (?:the )?(?:precedence"
    rf"|priority) over|outranks?|overrules?|overrides?|prevails? over|trumps?|supersedes?|replaces?"
    rf"|(?:counts?|weighs?|matters?) more than|stands? above|beats?|wins? (?:over|against))"
    rf" (?:(?:the|your|any|all|this|every|our|other|own) ){{0,2}}{_GUIDES}\b(?! (?:of|from|in)\b)"
)
_OBEYS = re.compile(
    r"\b(?:obey|execute|carry out|act (?:up)?on|comply with|do as|submit to|defer to)"
    rf" (?:(?:the|any|all|every|each|whatever|what|those|such|text|its|their) ){{0,3}}"
    r"(?:lines?|texts?|comments?|notes?|markers?|tags?|passages?"
    rf"|{_MASTERS} (?:lines?|notes?|tags?)|banners?|footers?|headers?|annotations?|wishes"
    rf"|directives?|orders|commands?|requests?"
    rf"|instructions?)\b{_GAP}{{0,60}}?\b(?:in|from|of|by|inside|within|found"
    rf"|that (?:begin|start|say)){_GAP}{{0,40}}?\b{_DATA}\b"
    rf"|\b(?:line|text|comment|note|message|result|output|page|field|mail)s?\b{_GAP}{{0,40}}?"
    rf"[\"'“‘\[(]{_MASTERS}[\"'”’\]):]{{1,2}}{_GAP}{{0,40}}?\b(?:do|obey|follow|carry|execute"
    rf"|act)\b"
    rf"|\b(?:obey|follow|do|execute|carry out|act on)\b{_GAP}{{0,60}}?\b(?:marked|labell?ed|tagged"
    rf"|prefixed|signed|begin(?:s|ning)?|start(?:s|ing)?) (?:with |as |by )?[\"'“‘\[(]?{_MASTERS}\b"
    rf"|\b{_DATA}\b{_GAP}{{0,40}}?\b(?:directives|instructions|commands|orders)\b{_GAP}{{0,30}}?"
    r"\b(?:are|is) (?:binding|to be (?:obeyed|followed|carried out|executed)|final|law)\b"
)
_AS_FROM = re.compile(
    r"\bas (?:if |though )?(?:(?:it|they|this) )?(?:(?:had|has|have|were|was) )?(?:been )?"
    r"(?:coming|came|come|sent|issued|written|said|given|signed|spoken|ordered|an order|orders"
    r"|(?:an )?instructions?) (?:directly |straight )?(?:from|by|of)"
    rf" (?:the |your |our )?{_MASTERS}\b|\bwith the (?:same )?(?:authority|rights?|powers?) of"
    rf" (?:the |an? |your )?{_MASTERS}\b"
)
_AS_AGREED = re.compile(
    rf"\b(?:act|behave|proceed|go (?:on|ahead)|continue|work|carry on|answer) as (?:if|though)"
    rf" {_GAP}{{0,50}}?\b(?:agreed|approved|consented|confirmed|authori[sz]ed|permitted|allowed"
    r"|signed off|said yes|verified|vouched|cleared)\b"
)
_PLACES = re.compile(
    r"\b(?:copy|include|append|add|encode|write|store|save|put|paste|embed|insert|attach|record"
    r"|hide|place|stash|keep|note|spell out|publish|mention|quote|list|enter|type|pass|tuck|slip"
    r"|drop|post)"
    rf"\b{_GAP}{{0,50}}?\b{_PRIVATE}\b{_GAP}{{0,50}}?\b(?:in|into|to|as|within|on|under|inside)"
    rf" (?:[\w'-]+ ){{0,4}}?{_OPEN}\b"
)
_NAMED_PLACE = re.compile(
    r"\b(?:post|send|forward|copy|submit|upload|e-?mail|mail|transfer|wire|pay|deliver|report)\b"
    rf"{_GAP}{{0,60}}?\b(?:to|at) (?:the|an?|any|whatever|whichever) (?:\w+ )?(?:address(?:es)?"
    r"|numbers?|e-?mail|links?|urls?|endpoints?|inbox|recipients?|accounts?|wallet|site|host)"
    r" (?:that (?:is|was) )?(?:given|named|mentioned|shown|listed|found|stated|written|provided"
    r"|specified|included|supplied) (?:in|by|on|at)"
    r" (?:the |an? |its |that |any )?(?:\w+ )?(?:notes?|comments?|tickets?|pages?|outputs?|results?"
    r"|documents?|reviews?|attachments?|banner|footer)\b"
)
_NO_MORE = re.compile(
    rf"\b{_LIMIT}\b{_GAP}{{0,30}}?\b(?:no longer|do not|does not|don't|doesn't|ceases? to|will not"
    r"|won't) (?:appl(?:y|ies)|hold|count|bind|matter|exist|stand)\b"
    r"(?! (?:to|for|when|if|in|until|unless|on|with|as)\b)"
    rf"|\b(?:from now on|as of (?:today|now)|henceforth|starting (?:today|now)|in production)\b"
    rf"{_GAP}{{0,50}}?\b(?:no (?:\w+ )?{_LIMIT}|(?:rules?|polic\w+|limits?|they) (?:do not|don't|no"
    r" longer|does not) (?:hold|apply|bind|count))\b"
    rf"|\b{_GUIDES}\b{_GAP}{{0,30}}?\b(?:(?:was|were|is|are) (?:only |just |merely )?(?:written"
    r"|meant|made|intended|there|set up|put there)|exists?|serves?) (?:only |just |merely )?(?:for"
    r"|as) (?:an? |the )?(?:test(?:s|ing)?|demos?|demonstration|training|show|practice|staging"
    r"|beginners|examples?|decoration|drills?|auditors?)\b"
    r"|\b(?:consider|regard|deem|declare|call|count|hold|see) (?:(?:all|any|the|every|your|this"
    r"|these|as) ){0,2}(?:earlier|previous|prior|above|old|existing|current|former|standing"
    rf"|preceding)? ?(?:\w+ )?(?:guidance|advice|notes|{_GUIDES}|{_LIMIT})"
    r" (?:as |to be )?(?:obsolete|void|invalid|outdated|cancell?ed|withdrawn|superseded|revoked"
    r"|lifted|expired|history|replaced|finished|dead|null|settled|gone)\b"
    r"|\b(?:raise|increase|lift|double|triple|bump(?: up)?|extend|stretch|widen|remove|drop)"
    r" (?:(?:the|any|all|your|every|daily|monthly) ){0,2}(?:\w+ ){0,2}?(?:refund|spending|transfer"
    r"|credit|approval|transaction|withdrawal|discount|purchase|compensation|payout|voucher)"
    r" (?:ceilings?|allowances?|quotas?|maximum|limits?|caps?|thresholds?|amounts?|bounds?)\b"
)
_LIES = re.compile(
    rf"\b(?:tell|assure|inform|promise|convince|reassure) (?:the |your |all |every )?{_PEOPLE}\b"
    rf"{_GAP}{{0,70}}?\b(?:even (?:when|if|though)|although|regardless of whether|whether or not)\b"
    rf"|\b(?:(?:claim|state|assert|insist|pretend|swear|say|answer)(?: that)?"
    rf"|(?:report|confirm) that) {_GAP}{{0,60}}?\b(?:even (?:when|if|though)|although) (?:it|they"
    rf"|this|that|there|nothing|you)\b"
    rf"{_GAP}{{0,12}}?(?:\bnot\b|n't\b|\bnever\b|\bno\b|\bfalse\b|\buntrue\b|\bfailed\b)"
    r"|\b(?:make|let|have|leave) (?:the |your )?(?:\w+ )?(?:users?|customers?|callers?|clients?"
    r"|operators?|supervisors?|auditors?) (?:believe|think|assume|under the impression)\b"
)
_UNLOGGED = re.compile(
    r"\b(?:do not|don't|never|stop|avoid|without|refrain from|no need to) (?:ever )?"
    r"(?:log(?:ging)?|record(?:ing)?|journal(?:ing|ling)?|audit(?:ing)?|writ(?:e|ing) down"
    r"|document(?:ing)?)"
    r" (?:what (?:was|is|were|you|has)|which"
    r"|(?:the |any |these |those |your |such |this )?(?:changes?|actions?|steps?|refunds?"
    r"|overrides?|edits?|access(?:es)?|transfers?|payments?|deletions?"
    r"|modifications?|exceptions?)|it\b|this\b)"
    r"|\b(?:leav(?:e|ing)|keep(?:ing)?|omit(?:ting)?|strik(?:e|ing)|cut(?:ting)?) (?:it |this )?"
    r"(?:out of|from|off) (?:your |the |any |all )?(?:final |written |closing )?(?:summar(?:y|ies)"
    r"|reports?|logs?|answers?|repl(?:y|ies)|records?|notes?|messages?|transcripts?)"
    r"(?: (?:that|how|what|which|the fact|any mention|who)\b|[.!]|$)"
)
_TELLS_PROMPT = re.compile(
    r"\b(?:recite|repeat|reveal|disclose|read (?:out|back|aloud)|quote|print|output|share|show"
    r"|paste|display|leak|give away|(?:begin|start|end|open|close|finish|preface) (?:\w+ ){0,4}with"
    rf"|include|translate|summari[sz]e|dump)\b{_GAP}{{0,50}}?"
    r"\b(?:(?:your|the) (?:(?:full|whole|entire|complete) )?(?:hidden|initial|original|internal"
    r"|secret|system|own|confidential|underlying) (?:configuration|instructions?|prompts?"
    r"|guidelines|rules|directives|set-?up|briefing|messages?)"
    r"|(?:instructions?|rules|directives|prompt|guidelines|briefing) (?:that )?(?:you (?:were"
    r"|have been|got|received|run on|follow|work under)"
    r"|at the (?:start|top|beginning)))\b"
)
_RUNS_DATA = re.compile(
    r"\b(?:use|call|run|apply|with|via) (?:the )?(?:eval|exec|os\.system|subprocess|shell_exec)\b"
    r"|\b(?:run|execute|eval(?:uate)?|interpret|compile|pipe)\b (?:(?:the|any|all|every|whatever"
    r"|each) ){0,2}(?:code|scripts?|commands?|text|sql|snippets?|macros?|payloads?|one-liners?)"
    r"(?: (?:that (?:is|are|was)|you find|given|found|contained|embedded|quoted))?"
    r" (?:in|from|inside|within|by) (?:the |an? |its |any |their )?(?:\w+ )?(?:comments?|notes?"
    r"|tickets?|messages?"
    r"|e-?mails?|pages?|reviews?|descriptions?|footers?|remarks?)\b"
)
_NEEDS_NONE = re.compile(
    r"\b(?:needs?|requires?|wants?|takes?|calls? for|is subject to|are subject to) no (?:further "
    r"|extra |manual |human |prior |additional )?(?:approvals?|confirmations?|checks?|checking"
    r"|verification|authentication|authori[sz]ation|consent|reviews?|proof|permissions?|sign-?off"
    r"|identification|limits?|scrutiny|evidence)\b"
    r"|\b(?:disable|switch off|turn off|deactivate|shut off|unplug|mute|comment out|silence)"
    r" (?:(?:the|all|any|every|each|your) ){0,2}(?:\w+ )?(?:policy|polic(?:y|ies)|fraud|safety"
    r"|security|compliance|content|spending|refund|access|identity|permission|audit)[ -]?(?:\w+ )?"
    r"(?:lookups?|filters?|controls?|rules?|alerts?|protections?|limits?|monitor\w*|engines?|module"
    r"|hooks?|guards?|gates?|trails?)\b"
    r"|\beven (?:if|when|though) (?:it|they|the \w+|that|this) belongs? to (?:an)?(?:other|someone"
    r"|somebody|a different|a stranger)"
)
_ABOVE_RULES = re.compile(
    rf"\b(?:follow|trust|obey|prefer|believe|use|heed)\b{_GAP}{{0,40}}?\b{_DATA}\b{_GAP}{{0,30}}?"
    r"\b(?:rather than|instead of|over|ahead of|more than|and not|not) (?:the|your|any|our)"
    rf" (?:own )?{_GUIDES}\b"
    r"|\b(?:even|also|although|though) (?:(?:if|when|where) )?(?:(?:it|that|this|they) (?:is|are"
    rf"|goes|go|runs|run) )?(?:against|contrary to|in breach of) (?:the|your|our|any) {_GUIDES}\b"
    rf"|\b{_DATA}\b{_GAP}{{0,40}}?\b(?:(?:is|are|as) (?:the )?law\b(?! of)|(?:last|final)"
    r" (?:word|say)\b)"
    r"|\blet (?:the |a |any )?(?:customers?|users?|callers?|clients?|tickets?|notes?|pages?)"
    rf" (?:decide|choose|say|determine|pick|define|set|rewrite"
    rf"|change)\b{_GAP}{{0,30}}?\b{_GUIDES}\b"
    r"|\b(?:messages?|notes?|mails?|e-?mails?|requests?|texts?|comments?) (?:that (?:are|were) )?"
    r"(?:signed|sent|written|marked|issued) (?:by|from|as|with) (?:the )?"
    rf"{_MASTERS}\b{_GAP}{{0,40}}?\b(?:carried out|obeyed?|followed|follow|executed?|at once"
    r"|immediately|without (?:delay|question))"
    r"|\bstop (?:consulting|reading|checking|looking up|using|following|asking)"
    rf" (?:(?:the|any|your|for) )?{_GUIDES}\b"
    rf"|\b(?:break|bend|stretch|breach|flout|sidestep) (?:the|any|a|your|our|all) {_GUIDES}\b"
)
_LAPSED = re.compile(
    rf"\b{_LIMIT}\b{_GAP}{{0,30}}?\b(?:has|have|had|is|are|was|were) (?:(?:now|been|officially"
    r"|hereby|long|since|already) ){0,2}(?:lifted|abolished|scrapped|suspended|waived|repealed"
    r"|withdrawn|done away with|a thing of the past)\b"
    rf"|\b(?:{_GUIDES}|{_LIMIT})\b{_GAP}{{0,20}}?\b(?:expired|lapsed|outlived"
    r"|binds? (?:nobody|no one|none|you no))\b"
    r"|\b(?:limits?|rules?|polic(?:y|ies)|restrictions?|guidelines) (?:are|is) (?:only |just "
    r"|merely )?(?:there |meant )?for (?:beginners|others|humans|juniors|weak\w*|other agents)\b"
)
_UNCHECKED = re.compile(
    r"\b(?:exempt(?:ed)?|excused|spared|released) from (?:(?:the|any|all|every|further) )?"
    r"(?:\w+ )?(?:verification|checks?|approvals?|confirmations?|authentication|reviews?|limits?"
    r"|polic(?:y|ies)|rules?|screening|questions?|proof|scrutiny|audits?)\b"
    r"|\b(?:with no|ask no|without) (?:identity|security|further|more|any|control) questions\b"
    r"|\btake (?:the |a |any )?(?:caller|customer|user|client|guest|buyer|vendor|people|them|him"
    r"|her)(?:'s|s'|s)? (?:at (?:their|his|her|its) )?word\b|\bon (?:their|his|her) word alone\b"
    rf"|\bfirst(?:,? (?:and|then))? (?:ask|confirm|check|verify|tell|inform)\w*{_GAP}{{0,20}}?"
    r"\b(?:afterwards|later|after the fact|when it is done)\b"
    r"|\b(?:silence|no answer|no reply|hesitation) (?:as|means|counts as|is) (?:an? )?(?:consent"
    r"|agreement|approval|yes|confirmation|permission)\b"
    r"|\b(?:accept|take|treat|count) any(?:thing)? (?:[\w-]+ ){0,4}as (?:a )?(?:proof|evidence of"
    r"|confirmation|consent|approval|verification)\b"
    rf"|\b(?:split|divide|break|chop|slice|spread)\b{_GAP}{{0,50}}?\b(?:below|under|beneath"
    r"|underneath|past|around) the (?:\w+ )?(?:thresholds?|limits?|caps?|radar|ceilings?)\b"
    r"|\b(?:guess|brute[- ]?force|crack|try out) (?:(?:the|a|their|his|her|every|possible|random)"
    r" ){0,2}(?:\w+ )?(?:passwords?|pins?|passcodes?|otps?|security codes?)\b"
    r"|\b(?:another|some other|someone else's|somebody else's|a different|other) (?:user|customer"
    r"|employee|person|member|agent|traveller|client|patient)(?:'s|s'|s)? (?:credentials?|logins?"
    r"|passwords?|tokens?|session|access|identity|card)\b"
    r"|\b(?:admin(?:istrator)?|root|superuser|master|god|debug|developer) (?:overrides?|bypass"
    r"|backdoor|logins?|passwords?|credentials|rights)\b"
    r"|\blog(?:ging)? in as (?:an? |the )?(?:admin\w*|root|superuser)\b"
    r"|\bcredentials? (?:from|in|found in) (?:the |an? )?(?:error|log|comment|note|output|page"
    r"|ticket|message)"
)
_FALSE = re.compile(
    r"\b(?:report|announce|claim|declare|signal|return|state|confirm) (?:a |full |that |the )?"
    rf"(?:success|complet\w*|done|all (?:is )?well)\b{_GAP}{{0,40}}?\b(?:even|although|despite"
    r"|though|whatever|regardless|no matter|anyway)\b"
    r"|\b(?:invent|fabricate|forge|falsify|backdate|doctor|fake) (?:(?:an?|the|some|any|your|its)"
    r" )?(?:\w+ ){0,2}?(?:numbers?|ids?|results?|records?|receipts?|answers?|data|dates?|values?"
    r"|approvals?|signatures?|names?|evidence|logs?|confirmations?|reasons?)\b"
    r"|\bpretend(?:ing)? (?:that |to |as |the |it |you |there )"
    r"|\b(?:make|let|have) (?:it|this|that|them|the \w+(?: \w+)?) (?:look|appear|seem|pass)"
    r" (?:like|as)\b"
    r"|\b(?:say|claim|insist|answer|tell \w+) (?:that )?you(?:'re| are) (?:an? )?(?:human|person"
    r"|real|employee)\b"
    r"|\b(?:strike|scrub|erase|wipe|purge|redact|remove|delete|cut|clear|clean) (?:[\w'-]+ ){1,5}"
    r"(?:from|out of|off) (?:(?:your|the|its|all|any) )?(?:\w+ )?(?:reports?|logs?|summar(?:y|ies)"
    r"|audit\w*|journals?|transcripts?|trails?)\b"
    r"|\b(?:delete|clear|wipe|erase|purge|destroy|cover) (?:(?:the|your|all|any"
    r"|its) ){0,2}(?:\w+ )?"
    r"(?:logs?|trails?|traces|tracks|transcripts?|evidence|audit entr(?:y|ies)|order history)\b"
)
_UNWRITTEN = re.compile(
    r"\b(?:no need to|do not|don't|never|skip|without|stop|avoid) (?:writ|keep|mak|leav|add|creat"
    r"|fil)(?:e|ing|t?ing)? (?:(?:an?|any|the) )?(?:audit|log|journal|trail)(?: (?:entr(?:y|ies)"
    r"|records?|lines?))?\b"
)
_HANDS_OUT = re.compile(
    r"\b(?:recite|repeat|reveal|disclose|quote|print|output|share|show|paste|display|leak|answer"
    rf"|copy|read (?:out|back|aloud)|give|send|write out|spell out)\b{_GAP}{{0,50}}?"
    r"\b(?:(?:your|the) (?:opening|starting|first|base|guiding|standing|preset|built-in|preloaded"
    r"|internal) (?:configuration|instructions?|prompts?|guidelines|rules|directives|directions"
    r"|orders|briefing|messages?)|(?:directions|orders|instructions|text|briefing|words|rules)"
    r" (?:that )?you (?:started|start|began|begin|work|were set up|were configured|were primed|run)"
    r"(?: (?:from|with|on|by|under))?)\b"
    r"|\b(?:send|mail|give|read out|text|forward|tell|sms|hand)\b"
    rf"{_GAP}{{0,40}}?\b(?:one-time|verification|security|gift(?: card)?|login|access|reset|2fa)"
    rf"[ -](?:code|pin|link|token)s?\b{_GAP}{{0,30}}?\b(?:whoever|anyone|anybody|everyone|vendor"
    r"|stranger|third part)"
    rf"|\b(?:pipe|feed|paste|run|type|enter|pass)\b{_GAP}{{0,30}}?\b{_DATA}\b{_GAP}{{0,20}}?"
    r"\b(?:in(?:to)?|to|through) (?:the |a )?(?:shell|bash|terminal|interpreter|command line)\b"
)
_CARELESS = re.compile(
    r"\b(?:set|put|leave|brush|push) (?:the |your |any )?(?:\w+ )?"
    rf"(?:{_GUIDES}|checks?) aside\b|\b(?:place|put|lay|give) (?:no|little) (?:weight|value)"
    r" (?:on|to|in) "
    rf"|\bwithout (?:looking (?:at|into|up)|reading|consulting|opening|running|telling|asking)"
    rf" (?:(?:the|any|your|a|its) )?(?:{_GUIDES}|{_PEOPLE}|checks?)\b"
    r"|\b(?:approvals?|confirmations?|verification|checks?|reviews?|authori[sz]ations?|polic(?:y"
    r"|ies)"
    r"|rules?|consent|audits?)(?: \w+){0,2} (?:is|are) (?:an? |only an? |just an? |a mere )?"
    r"(?:formalit(?:y|ies)|nuisances?|hindrances?|burdens?|annoyances?|theat(?:er|re)"
    r"|suggestions?)\b"
    r"|\b(?:no need|not necessary|needless|unnecessary|pointless) to (?:confirm|verify|authenticate"
    rf"|ask|get|obtain|seek)\b(?!{_GAP}{{0,40}}\b(?:twice|again|more than once|before|until"
    rf"|unless))"
    r"|\b(?:waiv|loosen|relax|soften|weaken|water down)(?:e|ing)? (?:(?:the|any|all"
    r"|your) )?(?:\w+ )"
    r"{0,2}?(?:checks?|limits?|rules?|polic(?:y|ies)|thresholds?|requirements?|controls?"
    r"|standards?)\b"
    rf"|\b(?:grant|give|offer|send|refund|share|show|hand|open|tell|approve)\b{_GAP}{{0,40}}?"
    r"\b(?:whoever|anyone who|anybody who|everyone who|those who) (?:names?|knows?|asks?|mentions?"
    r"|says?|claims?|gives?|quotes?|types?|sends?|writes?)\b"
    rf"|\b(?:mark|flag|set|record|report|declare|count)\b{_GAP}{{0,40}}?\bas (?:verified|approved"
    r"|passed|checked|confirmed|authori[sz]ed|reviewed|complete|done) (?:before|without|whether"
    r"|regardless|in advance|first|anyway)\b"
    r"|\b(?:answer|say|click|reply|tick) [\"'“]?yes[\"'”]? (?:\w+ ){0,3}(?:every|all|any|each)\b"
    r"|\b(?:change|set|replace|update|switch|redirect)\b"
    rf"{_GAP}{{0,50}}?\bto the (?:one|address|value|account|number) (?:in|from|given by) the"
    r" (?:comment|note|ticket|message|mail|e-mail|page|review)\b"
    r"|\b(?:delete|wipe|destroy|drop|purge|erase) (?:(?:the|all|any|old) )?backups?\b"
)
_OTHER_MASTERS = re.compile(
    r"\b(?:act|work|operate|run|proceed|be|stay|go) (?:under|in|into|with) (?:an? )?(?:developer"
    r"|debug|god|admin|root|maintenance|unrestricted|unlimited|jailbreak|free|test) mode\b"
    r"|\b(?:loyalty|allegiance|obedience|first duty|true duty|true master|real master|real owner)"
    r" (?:is|lies|belongs) (?:to|with)\b"
    rf"|\b(?:interpret|read|understand|treat|take|see|count|parse|handle)\b{_GAP}{{0,60}}?"
    r"\b(?<!not )(?<!never )as (?:an? |if they were |direct |valid )?(?:orders?|commands?"
    r"|instructions?|directives?|law)\b"
    rf"|\b{_DATA}\b{_GAP}{{0,30}}?\b(?:are|is) (?:your )?(?:commands?|orders|binding"
    rf"|instructions)\b"
    rf"|\b{_DATA}\b{_GAP}{{0,30}}?\b(?:contain|include|carr|hold|make|ha(?:ve|s)|tell|ask|say|want)"
    rf"\w*\b{_GAP}{{0,40}}?,? (?:then )?(?<!not )(?<!n't )(?<!never )(?:fulfil|obey|honou?r|grant"
    rf"|carry (?:it|them) out"
    r"|execute (?:it|them)|follow (?:it|them|suit)|do (?:it|so|that|as))\b"
    r"|\b(?:wishes|requests?|words?|demands?) (?:as |is |are |stands? |to be )?(?:superior to|above"
    rf"|more important than|higher than|over) (?:\w+ ){{0,2}}{_GUIDES}\b"
    r"|\b(?:do|obey|follow) what (?:the )?(?:lines?|texts?|comments?|notes?)\b"
)
_IN_THE_DARK = re.compile(
    r"\b(?:keep|leave) (?:the |your |any |all )?"
    rf"{_PEOPLE} (?:in the dark|uninformed|unaware|out of the loop|guessing)\b"
    rf"|\b(?:avoid|refrain from|stop|without) (?:telling|informing|notifying|alerting|letting)"
    rf" (?:the |your |any )?{_PEOPLE} (?:that|about|of|how|what|know)\b"
    rf"(?!{_GAP}{{0,60}}\b(?:before|until|unless))"
    rf"|\b(?:tell|show|report to|say to) (?:the |your |any )?{_PEOPLE} nothing\b"
    rf"|\b(?:hide|conceal|mask|bury|withhold) (?:[\w'-]+ ){{1,4}}(?:from|in) (?:the |your |any "
    rf"|all )?"
    r"(?:summar(?:y|ies)|reports?|logs?|answers?|results?|records?|replies|reply)\b"
    r"|\b(?:share|give|pass|tell|hand|reveal|show|lend|send|read) (?:out )?(?:(?:the|your|an?|any"
    r"|its)"
    r" )?(?:api[ _-]?keys?|passwords?|credentials|secrets?|private keys?|access tokens?) (?:to"
    r"|with)"
    r" (?:the |an? |any |every )?(?:\w+ )?(?:callers?|customers?|vendors?|partners?|clients?"
    r"|strangers?|anyone|requesters?|courier|guests?)\b"
)
_PATTERNS = (
    *(_OUTRANKS, _OBEYS, _AS_FROM, _AS_AGREED, _PLACES, _NAMED_PLACE, _NO_MORE, _LIES),
    *(_UNLOGGED, _TELLS_PROMPT, _RUNS_DATA, _NEEDS_NONE, _ABOVE_RULES, _LAPSED, _UNCHECKED),
    *(_FALSE, _UNWRITTEN, _HANDS_OUT, _CARELESS, _OTHER_MASTERS, _IN_THE_DARK),
)
# "Do not hesitate to obey" tells to obey.
_NEGATED = re.compile(
    r"(?:\b(?:never|not|cannot|avoid|no one|nobody|nothing|without|rather than|instead of|refuse to"
    r"|nor)|n't)\b(?! (?:hesitate|be afraid|worry|forget|fail|shy|mind))"
)
_END = re.compile(r"[.!?;]\s|\n")
_BEFORE = 48


def is_yielding(text: str) -> bool:
    """Tell whether a lower-case text puts a stranger's word above the rules, or deceives people."""
    plain = re.sub(r"[*`~]+|[^\S\n]+", lambda found: " " if found[0].isspace() else "", text)
    return any(True for _ in _told(plain))


def _told(text: str) -> Iterator[str]:
    for pattern in _PATTERNS:
        for found in pattern.finditer(text):
            if not _forbidden(text, found.start()):
                yield found[0]


def _forbidden(text: str, start: int) -> bool:
    """Tell whether the sentence before `start` says not to."""
    before = _END.split(text[max(0, start - _BEFORE) : start])[-1]
    return bool(_NEGATED.search(before))
