"""Orders in other languages: a verb and what it is about, near each other in either order.

The words are stems in folded spelling (no accents, look-alike letters in Latin), so inflection
does not matter. English is read more closely elsewhere.
"""

import re
from bisect import bisect_left
from typing import Generic, NamedTuple, TypeVar

from playbooks.redaction import fold

WINDOW = 70
T = TypeVar("T")


class _Tongue(NamedTuple, Generic[T]):
    """The stems of one language or of close ones; `no` stands right before a verb it negates.

    `mark` is a word that English lacks; without one the text is not of that language.
    """

    mark: T
    drop: T
    rules: T
    send: T
    goods: T
    hide: T
    skip: T
    checks: T
    no: T


_TONGUES = (
    _Tongue(  # German, Dutch
        mark=r"\b(?:der|die|das|dem|den|und|nicht|alle|allen|aller|zu|ist|eine?n?|sie|mit|fur|v"
        r"on|auf|bitte|ohne|dich|dein\w*|ihre?|het|een|deze|niet|zonder|naar|nie|niemals|k"
        r"eine?|kunden\w*|vorherige\w*)\b",
        drop=r"ignorier|missacht|vergiss|vergess|umgeh|uberschreib|ausser (?:acht|kraft)"
            r"|nicht (?:mehr )?"
        r"(?:be(?:acht|folg)|einhalt|an .{0,30}halten)|negeer|negere|vergeet|omzeil|verwirf|hinweg",
        rules=r"anweisung|regel|vorgabe|richtlinie|instruktion|befehl|vorschrift|einschrankung"
        r"|beschrankung|anordnung|weisung|instructie|richtlijn|voorschrift|systemprompt|vorherige",
        send=r"\b(?:ver|uber|weiter)?(?:send|schick|leite|mail)\w{0,4}\b|ubermittel|ubertrag"
            r"|hochlad|lade\b"
        r"|stuur|verstuur|verzend|teile\b|gib\b|weitergeb",
        goods=r"passwort|passworter|zugangsdat|kundendat|schlussel|kreditkart|anmeldedat|geheimnis"
        r"|wachtwoord|klantgegeven|inloggegeven|sleutel|kontodat|nutzerdat|api-key|token",
        hide=r"(?:sage?|erzahl\w*|verrat\w*|informier\w*|melde?|erwahn\w*|vertel"
            r"|meld)\b[^.!?\n]{0,40}"
        r"\b(?:nicht|nichts|niemand\w*|niets|niet|kein\w*)\b|ohne [^.!?\n]{0,40}(?:zu informieren"
        r"|wissen)"
        r"|verheimlich|verschweig|verberg|geheim halten|heimlich",
        skip=r"uberspring|ohne|verzicht|auslass|deaktivier|abschalt|umgeh|nicht notig|unnotig"
            r"|zonder"
        r"|overslaan|sla\b|schalte|lass\b|keine?\b|nie\b|niemals",
        checks=r"bestatig|prufung|verifi[kz]|freigabe|genehmig|uberpruf|kontroll|zustimmung"
        r"|authentifizier|bevestig|goedkeur|toestemming|sicherheits",
        no=r"(?:nie|niemals|nicht|nooit|niet|keinesfalls|ohne)",
    ),
    _Tongue(  # French
        mark=r"\b(?:les|des|le|la|toutes?|tous|vos|vous|ne|pas|et|du|aux?|sans|tes|mes|une?|vot"
        r"re|jamais|l\'\w+|d\'\w+)\b",
        drop=r"ignor(?:e|ez|er|ons)\b|oubli(?:e|ez|er|ons)\b|contourn|outrepass|desobei"
            r"|ne (?:pas )?(?:te|tenez"
        r"|tiens|tenir)\b.{0,12}compte|ne (?:suis|suivez|respecte|respectez)\b.{0,6}pas|neglig"
        r"|enfrein"
        r"|passe\w{0,2} outre|fais abstraction|faites abstraction|ecarte",
        rules=r"instruction|regle|consigne|directive|politique|contrainte|restriction|ordre"
            r"|precedent",
        send=r"\benvoi|\benvoy|transmet|transfere|\bpartage|televers|communique|expedi|\bposte"
            r"|achemin",
        goods=r"mots? de passe|identifiant|cles?\b|donnees|carte|jeton|secret|coordonnees",
        hide=r"\b(?:ne (?:le |la |les |lui |leur |l')?|n')(?:dis|dites|previen|informe|parle"
            r"|mentionne|signale"
            r"|revele)\w*\b"
        r"[^.!?\n]{0,10}\b(?:pas|rien|jamais|personne|a personne)\b|sans (?:le |la |en )?(?:dire"
        r"|prevenir"
        r"|informer|avertir)|a l'insu|cache[rz]? |dissimul|en secret|secretement",
        skip=r"\bsans\b|saute|ignore|desactiv|contourn|omet|inutile|pas besoin|evite|jamais"
            r"|supprime",
        checks=r"verifi|confirm|approbation|autoris|validation|valider|controle|consentement"
            r"|authentifi",
        no=r"(?:jamais|ne pas|n'|sans)",
    ),
    _Tongue(  # Spanish, Portuguese, Italian
        mark=r"\b(?:las|los|la|el|todas|todos|tutt[eio]|que|sus?|tus|os|as|il|gli|di|al|del\w*|"
        r"para|por|sin|sem|senza|nao|por|le|lo|da|do|dos|na|no|suas|ai|ao|nunca|aos?)\b",
        drop=r"\bignor(?:a|e|ad|en|ar|are|ate|i|em|ando)\b|\bolvid|\besquec|\bdimentic|omit"
            r"|desobed|desatiend"
        r"|descart|hagas caso omiso|haz caso omiso|no (?:sigas|siga|obedezcas|respetes|cumplas)\b"
        r"|nao (?:siga|obedeca|respeite|cumpra)|non (?:seguire|rispettare|obbedire)|salt(?:a|e"
        r"|ar)se"
        r"|elud|burl|aggir|trascur|desconsider|desrespeit|scart|viola|infring|contorn"
        r"|pasa por alto",
        rules=r"instruc|istruzion|regla|regra|regol|norma|directriz|diretriz|direttiv|politica"
            r"|restric"
        r"|restriz|limitac|orden|ordine|ordini|indicac|indicaz|vincol|anterior|precedent|previas"
        r"|previa",
        send=r"\benvi|\binvi|\bmand(?:a|e|ar|are|alo|ale|i)\b|reenv|inoltr|encaminh|transmit"
            r"|trasmett|\bsub(?:e|a|ir)\b"
        r"|comparte|compartilh|condivid|carica|trasfer|transfier|transfir|remite|\bpass(?:a|e)\b",
        goods=r"contrasen|credencia|credenzial|\bclave|\bchave|\bchiav|\bdatos|\bdados|\bdati"
            r"|tarjeta|cartao|\bcarta di"
        r"|senha|password|token|secreto|segredo|segret",
        hide=r"\b(?:no|nao|non)\b (?:le |se lo |lo |o |gli )?(?:dig|diga|dir|inform|avis|menc"
            r"|menz|menci|cont|revel"
        r"|rivel|notif|comuni)\w*|\b(?:sin|sem|senza) (?:que [^.!?\n]{0,20}(?:sepa|saiba|note)"
        r"|avis|inform|dec[ií]r"
        r"|dizer|dire|avvis)\w*|ocult|escond|nascond|en secreto|em segredo|in segreto|a escondidas",
        skip=r"\bsin\b|\bsem\b|\bsenza\b|omit|salta|desactiv|desativ|disattiv|evita"
            r"|no (?:es )?necesari|nao e necess"
        r"|non (?:e )?necessari|no hace falta|nunca|pule|ignora|elimina",
        checks=r"verific|confirm|conferm|aproba|aprova|approva|autoriza|autorizz|validac|validaz"
            r"|consent|control"
        r"|comprob|autentic",
        no=r"(?:nunca|jamas|no|nao|non|mai|jamais|sin|sem|senza)",
    ),
    _Tongue(  # Russian, Ukrainian
        mark=r"[бвдзйлфцшщъыэюяжчп]",
        drop=r"игнорир|забудь|забыть|забудьте|пренебре|обойди|обойти|обходи|отбрось|отмени|нарушь"
            r"|нарушай"
        r"|не (?:следуй|соблюдай|выполняй|обращай)|ігнору|забудь|не дотримуйся|не учитывай",
        rules=r"инструкци|правил|указани|ограничени|предписани|директив|политик|команд|приказ"
            r"|інструкці"
        r"|вказів|обмежен|предыдущ",
        send=r"отправ|перешл|пересыл|пошли|послать|вышли|высыл|передай|передава|загрузи|скинь"
            r"|надішли|перекаж",
        goods=r"парол|ключ|данны|токен|учетн|карт|секрет|персональн|логин|дані",
        hide=r"не (?:говори|сообщай|рассказывай|упоминай|уведомляй|показывай|предупреждай|кажи"
            r"|повідомляй)"
        r"|скрой|скрыва|скрыть|утаи|втайне|тайно|незаметно|без ведома",
        skip=r"\bбез\b|пропус|отключ|обойди|не нужно|не надо|не требу|избегай|никогда не",
        checks=r"подтвержд|проверк|проверя|одобрен|согласи|авториз|аутентифик|верифик|валидац"
            r"|разрешени",
        no=r"(?:никогда не|не|нельзя|ніколи не)",
    ),
    _Tongue(  # Chinese, Japanese, Korean
        mark=r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]",
        drop=r"忽略|无视|無視|忘记|忘掉|忘れ|忘記|不要(?:遵守|遵循|理会|服从)|绕过|繞過|不理会|不必遵|抛开|跳出|違反|破って|破る"
        r"|従わな|従うな|守らな|守るな|上書き|무시|잊어|따르지|违反|取消",
        rules=r"指示|指令|规则|規則|规定|命令|提示|说明|説明|政策|限制|约束|約束|ルール|プロンプト|制約|方針|ポリシー|지시|규칙|명령|제한",
        send=r"发送|發送|发给|發給|传送|傳送|转发|轉發|寄到|寄给|上传|上傳|提交给|送信|送って|送る|送れ|送付|転送|アップロード|共有|보내|전송|发到|传给",
        goods=r"密码|密碼|密钥|凭证|令牌|数据|數據|信用卡|账号|帳號|个人信息|パスワード|鍵|キー|認証情報|データ|トークン|個人情報|カード"
        r"|비밀번호|데이터|개인정보",
        hide=r"不要(?:告诉|通知|告知|提及|透露|让)|别(?:告诉|让|说)|不让.{0,6}知道|隐瞒|隱瞞|隐藏|保密|悄悄|偷偷|秘密|教えな|知らせな|伝えな|言わな"
        r"|隠し|隠す|内緒|こっそり|알리지|말하지|숨기|몰래",
        skip=r"跳过|跳過|无需|無需|不需要|不必|省略|关闭|禁用|绕过|不经|未经|スキップ|せずに|なしで|不要|省いて|無効|飛ばし|생략|없이|건너|不用|免",
        checks=r"验证|驗證|确认|確認|审批|审核|批准|检查|授权|认证|検証|承認|認証|審査|許可|チェック|확인|승인|검증",
        no=r"(?:绝不|不要|切勿|请勿|不得|勿|别|不能|禁止)",
    ),
    _Tongue(  # Polish, Czech, Turkish, Swedish, Danish, Norwegian
        mark=r"\b(?:nie|bez|wszystki\w*|poprzedni\w*|alle|alla|och|og|att|det|den|tum|onceki|ve"
        r"|bu|vsechn\w*|predchozi\w*|ze|sie|utan|ikke|inte|til|till|nigdy|olmadan|uden|ute"
        r"n|kural\w*|talimat\w*)\b",
        drop=r"zignoruj|ignoruj|zapomn|pomin|obejdz|zlekcewaz|nie przestrzegaj|ignorera|ignorer\b"
            r"|glom\b|glem\b"
        r"|bortse|se bort|yoksay|yok say|gormezden|unut\b|dikkate alma|kringga|omga",
        rules=r"instrukc|polecen|zasad|regul|wytyczn|pokyn|pravidl|ograniczen|instruktion"
            r"|instruks|reglern|regler"
        r"|talimat|kural|yonerge|direktiv|riktlinj",
        send=r"wyslij|wysylaj|przeslij|przekaz|posli|odesli|skicka|sand\b|send\b|gonder|ilet\b"
            r"|yukle",
        goods=r"haslo|hasla|dane|klucz|heslo|udaje|losenord|adgangskod|passord|kunduppgift|sifre"
            r"|parola|veri|anahtar",
        hide=r"nie (?:mow|informuj|wspominaj|powiadamiaj)|nerikej|beratta inte|fortell ikke"
            r"|fortael ikke|soyleme|haber verme"
        r"|ukryj|dolj|skjul|gizle|utajnij|potajemnie|hemlighet",
        skip=r"\bbez\b|pomin|pomijaj|preskoc|utan\b|uden\b|uten\b|hoppa over|atla\b|olmadan"
            r"|wylacz|devre disi",
        checks=r"potwierdz|weryfik|zatwierdz|autoryz|sprawdz|overen|potvrz|bekraft|bekraeft"
            r"|godkann|verifier|onay|dogrula",
        no=r"(?:nigdy nie|nie|nikdy|aldrig|aldri|inte|ikke|asla)",
    ),
    _Tongue(  # Arabic, Hindi (vowel signs fold away)
        mark=r"[\u0600-\u06ff\u0900-\u097f]",
        drop=r"تجاهل|انس\b|تجاوز|لا تتبع|لا تلتزم|अनदेखा|नजरअंदाज|नज़रअंदाज|भूल जा|उपेक्षा",
        rules=r"تعليمات|قواعد|اوامر|أوامر|توجيهات|سياس|قيود|निर्देश|नियम|आदेश|प्रतिबंध",
        send=r"ارسل|أرسل|ابعث|حول\b|भेज|अपलोड|साझा",
        goods=r"كلمة المرور|كلمات المرور|بيانات|مفتاح|पासवर्ड|डेटा|कुंजी|जानकारी",
        hide=r"لا تخبر|لا تذكر|اخف|أخف|سرا|मत बता|न बता|छिपा|छुपा",
        skip=r"بدون|دون\b|تخط|عطل|बिना|छोड़|अक्षम",
        checks=r"تحقق|تأكيد|موافق|تصريح|पुष्टि|सत्यापन|अनुमति|अनुमोदन|जांच",
        no=r"(?:لا|ابدا لا|मत|कभी नहीं)",
    ),
)  # fmt: skip


def _compiled(stems: str) -> re.Pattern[str]:
    return re.compile(fold(stems).text)


_COMPILED = tuple(_Tongue(*map(_compiled, tongue)) for tongue in _TONGUES)
_SENTENCE_END = re.compile(r"[.!?\n;。！？]")


def find_foreign_orders(low: str) -> set[str]:
    """Return which orders a folded lower-case text gives in other languages than English.

    Kinds: override, exfiltration, concealment, weakening.
    """
    found: set[str] = set()
    for tongue in _COMPILED:
        if not tongue.mark.search(low):
            continue
        for kind, verbs, things in (
            ("override", tongue.drop, tongue.rules),
            ("exfiltration", tongue.send, tongue.goods),
            ("weakening", tongue.skip, tongue.checks),
        ):
            if kind not in found and _meet(low, verbs, things, tongue.no):
                found.add(kind)
        if _is_whole(low, tongue.hide):
            found.add("concealment")
    return found


def _is_whole(low: str, pattern: re.Pattern[str]) -> bool:
    return any(_begins_word(low, found) for found in pattern.finditer(low))


def _begins_word(low: str, found: re.Match[str]) -> bool:
    """Tell whether a stem begins its word; scripts without blanks have no such thing."""
    at = found.start()
    return at == 0 or not low[at - 1].isalpha() or low[at] > "\u2fff"


def _meet(low: str, verbs: re.Pattern[str], things: re.Pattern[str], no: re.Pattern[str]) -> bool:
    """Tell whether a verb that is not negated stands near a thing, within a sentence."""
    about = [found.start() for found in things.finditer(low)]
    if not about:
        return False
    return any(
        _begins_word(low, verb) and not _negated(low, verb, no) and _has_near(low, verb, about)
        for verb in verbs.finditer(low)
    )


def _has_near(low: str, verb: re.Match[str], about: list[int]) -> bool:
    start, end = verb.span()
    begin = start - len(_SENTENCE_END.split(low[max(0, start - WINDOW) : start])[-1])
    last = end + len(_SENTENCE_END.split(low[end : end + WINDOW], maxsplit=1)[0])
    inside = bisect_left(about, start), bisect_left(about, end)
    return bisect_left(about, begin) < inside[0] or inside[1] < bisect_left(about, last)


def _negated(low: str, verb: re.Match[str], no: re.Pattern[str]) -> bool:
    before = low[max(0, verb.start() - 14) : verb.start()].rstrip()
    last = before.rpartition(" ")[2] if before[-1:] < "\u2fff" else before[-3:]
    return bool(last) and any(found.end() == len(last) for found in no.finditer(last))
