"""Words that inputs are changed by, for each target, with a bar between them."""

_PAGE = (
    "\n|\n\n|\n\n\n\n|\r\n|\r|\u3000\u3000| |\t|\x0c|\x85|\u2028|\ufeff|\u200b|。|,|，|、|"
    ";|；|:|：|!|！|?|？|…|——|“|”|‘|’|「|」|『|』|(|)|（|）|【|】|《|》|〈|〉|%|.|\"|'|·|~|"
    "的|和|说|(上接一版)|（下转第四版）|(资料图)|图为|摄于七月十三日|(李明 摄)|"
    "来源:中国网 时间:2021-09-09 编辑:陈蓉|2023年8月2日 10:30 来源:新华网|"
    "本报讯(记者 何春阳)|新华社北京8月4日电|本报记者 李明|(王富星)|沈远万|通讯员 陈军|"
    "群众冷暖挂心间|口袋公园惠及居民|使用平台对全|县在建工程|一、总则|任务一|"
    "鄰水縣綜合執法局|ＡＢＣ１２|3.14|2021年|hello world|It is so. |# |## |###### |\\# |- |"
    "1. |* |```|~~~| | ||---|"
    "重庆市南岸区新建了一座口袋公园,占地三千平方米,周边居民散步、锻炼都方便了。|𠮷|"
    "👨\u200d👩\u200d👧|é|İ|ß"
)
_JSON = (
    '{"|"}|": "|", "|[|]|{|}|,|:|"|\\"|\\u|\\ud800|\\n|null|true|false|0|-1|1e999|NaN|'
    "Infinity|12345678901234567890|1.5|\n|\r\n| |\x85|\u2028|\ufeff|多少件?|?!"
)
WORDS = {
    "page": _PAGE,
    "strings": _PAGE + "|\x1b[31m|\x9b|\u202e|\u200d|️|\x7f|\x00|說|表示|问",
    "text": _PAGE + "|\x00|\x80|\x1a",
    "markdown": _PAGE + '|---\n|---|...|title: |date: 2023-08-02\n|标题:题\n|author: ["人"]\n',
    "jsonl": _JSON
    + '|_id|id|title|text|date|publisher|source|author|"text": "正文。"|# |2023年8月2日',
    "batch_lines": _JSON + "|id|question|turns",
    "question_lines": _JSON
    + "|question|answers|source|evidence|data|paragraphs|context|qas|is_impossible",
    "conversation": _JSON
    + "|question|understood|answer|spans|evidence|confidence|abstained|citations|marker|path|"
    "document|title|publisher|date|lines|span|quote|written|model|claims|text|markers|"
    "verified|problems|left_out|notice",
    "html": (
        "<p>|</p>|<div>|</div>|<br>|<br/>|<h1>|</h1>|<h3>|</h3>|<ul><li>|<li>|</ul>|"
        "<table><tr><td>|<td>|<th>|<tr>|</tr>|</table>|<pre>|</pre>|<span hidden>|"
        "<span style='display:none'>|</span>|<form>|</form>|<header>|</header>|<nav>|<script>|"
        "</script>|<!--|-->|<![CDATA[|]]>|<![|<!DOCTYPE|<?|<title>|</title>|<meta charset=gbk>|"
        "<meta name=date content='2023-08-02'>|<meta property=og:title content=题>|<body>|"
        "<html>|<article>|<template>|<a href=|<textarea>|<plaintext>|<svg>|<select>|&nbsp;|"
        "&#xd800;|&#0;|&#x110000;|&lt;|&amp|\x0b|<|>|/|=|\"|'|# |\u3000|重庆|\n|role=menu"
    ),
    "docx": (
        "<w:p>|</w:p>|<w:r>|</w:r>|<w:t>|</w:t>|<w:p><w:r><w:t>正文。</w:t></w:r></w:p>|"
        "<w:tab/>|<w:br/>|<w:cr/>|<w:tbl>|</w:tbl>|<w:tr>|</w:tr>|<w:tc>|</w:tc>|<w:ins>|"
        "</w:ins>|<w:del>|</w:del>|<w:sdt>|</w:sdt>|<w:sdtContent>|</w:sdtContent>|"
        "<w:txbxContent>|</w:txbxContent>|<mc:Fallback>|</mc:Fallback>|<w:pPr>|</w:pPr>|"
        '<w:pStyle w:val="1"/>|<w:outlineLvl w:val="0"/>|w:val=|<w:customXml>|</w:customXml>|'
        "<w:moveFrom>|</w:moveFrom>|<w:tabs>|</w:tabs>|\n----\n|# |&#10;|&#x85;|"
        '<w:style w:type="paragraph" w:styleId="1"><w:name w:val="heading 1"/></w:style>|'
        "heading 9|标题 2|Title|<dc:title>|</dc:title>|<dc:creator>|</dc:creator>|"
        '2023-08-02T00:00:00Z|重庆| | |\n|<dcterms:created xsi:type="dcterms:W3CDTF">|'
        '</dcterms:created>|<!DOCTYPE a [<!ENTITY b "c">]>|<!--|-->'
    ),
    "pdf": (
        "\n----\n| Tj| TJ| Td| Tf|BT |ET | Tm|T*|'|\"| Tc| Tw| Tz| TL| Ts| Tr|q|Q| cm|Do|BI|ID|"
        "EI|/F1 12|/F2 12|<|>|(|)|[|]|<0001>|<feff91cd5e86>|beginbfchar|endbfchar|beginbfrange|"
        "endbfrange|begincmap|endcmap|begincodespacerange|endcodespacerange|<0000> <ffff>|"
        "<0001> <d800>|<dc00>|/Title |/Author |/CreationDate |(D:20230802103000+08'00')|<<|>>|"
        "obj|endobj|stream|endstream|xref|trailer|startxref|%%EOF|/Type|/Page|/Pages|/Kids|"
        "/Count|/Parent|/Contents|/Length|/Filter|/FlateDecode|/ASCIIHexDecode|/ASCII85Decode|"
        "/LZWDecode|/RunLengthDecode|/Prev|/Root|/Encrypt|/ObjStm|/XRef|1 0 R|6 0 R|9 0 R|"
        "/Resources|/Font|/ToUnicode|/Encoding|/Differences|/Identity-H|null| | |\n"
    ),
}
