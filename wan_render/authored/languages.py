"""Language tags (BCP 47): a language, then perhaps a script and a region: `zh`, `zh-Hant`, `pt-BR`."""

from __future__ import annotations

import re
from typing import Annotated, Any

from wan_render.authored.spelling import Misspelt, Spelling

UNKNOWN_LANGUAGE = "und"
"""ISO 639's code for a language that nobody named."""

_CODES = """
aaaar ababk aeave afafr akaka amamh anarg arara asasm avava ayaym azaze babak bebel bgbul bibis bmbam bnben bobod brbre
bsbos cacat ceche chcha cocos crcre csces cuchu cvchv cycym dadan dedeu dvdiv dzdzo eeewe elell eneng eoepo esspa etest
eueus fafas ffful fifin fjfij fofao frfra fyfry gagle gdgla glglg gngrn guguj gvglv hahau heheb hihin hohmo hrhrv hthat
huhun hyhye hzher iaina idind ieile igibo iiiii ikipk ioido isisl itita iuiku jajpn jvjav kakat kgkon kikik kjkua kkkaz
klkal kmkhm knkan kokor krkau kskas kukur kvkom kwcor kykir lalat lbltz lglug lilim lnlin lolao ltlit lulub lvlav mgmlg
mhmah mimri mkmkd mlmal mnmon mrmar msmsa mtmlt mymya nanau nbnob ndnde nenep ngndo nlnld nnnno nonor nrnbl nvnav nynya
ococi ojoji omorm orori ososs papan pipli plpol pspus ptpor quque rmroh rnrun roron rurus rwkin sasan scsrd sdsnd sesme
sgsag shhbs sisin skslk slslv smsmo snsna sosom sqsqi srsrp ssssw stsot susun svswe swswa tatam tetel tgtgk ththa titir
tktuk tltgl tntsn toton trtur tstso tttat twtwi tytah uguig ukukr ururd uzuzb veven vivie vovol wawln wowol xhxho yiyid
yoyor zazha zhzho zuzul
"""
"""ISO 639-1 and -3, each pair as one word."""

THREE_LETTERS = {pair[:2]: pair[2:] for pair in _CODES.split()}

_NAMED = """
af afrikaans|ar arabic العربية|bg bulgarian|bn bengali বাংলা|cs czech čeština|da danish dansk|de german deutsch
|el greek ελληνικά|en english|es spanish español castellano|et estonian|fa persian farsi فارسی|fi finnish suomi
|fil filipino|fr french français|he hebrew עברית|hi hindi हिन्दी|hr croatian|hu hungarian magyar
|id indonesian|it italian italiano|ja japanese 日本語|ko korean 한국어|lt lithuanian|lv latvian|ms malay
|nl dutch nederlands|no norwegian norsk|pl polish polski|pt portuguese português|ro romanian|ru russian русский
|sk slovak|sl slovenian|sr serbian|sv swedish svenska|sw swahili|ta tamil தமிழ்|te telugu|th thai ไทย
|tr turkish türkçe|uk ukrainian українська|ur urdu اردو|vi vietnamese|yue cantonese 粵語 廣東話
|zh chinese mandarin 中文 汉语 普通话|zh-Hans 简体中文|zh-Hant 繁體中文 正體中文
"""
_NAMES = {name: tag for line in _NAMED.split("|") for tag, *names in [line.split()] for name in names}
"""Languages by their names, in English and in their own letters, for messages."""

_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|[0-9]{3}))?")
_SCHEMA: dict[str, Any] = {"type": "string", "pattern": f"^{_TAG.pattern}$".replace("(?:", "(")}


def read_language(text: str) -> str:
    """A tag in its usual spelling: `zh-Hant-TW`."""
    match = _TAG.fullmatch(text)
    language = match[1].lower() if match else ""
    if match is None or (len(language) == 2 and language not in THREE_LETTERS):
        tag = _NAMES.get(text.casefold(), "")
        raise Misspelt("allowed: a language tag such as zh, zh-Hant, pt-BR, yue", f"write {tag}" if tag else "")
    return "-".join(filter(None, (language, (match[2] or "").title(), (match[3] or "").upper())))


def three_letters(tag: str) -> str:
    """The language of a tag in three letters (ISO 639-3), as video files name it."""
    language = tag.partition("-")[0]
    return THREE_LETTERS.get(language, language) or UNKNOWN_LANGUAGE


Language = Annotated[str, Spelling("a language tag", read_language, str, _SCHEMA)]
