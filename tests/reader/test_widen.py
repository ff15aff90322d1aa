"""From what the model marks to what a person would."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.reader.widen import whole_list, widened


@pytest.mark.parametrize(
    ("text", "marked", "shown"),
    [
        ("共受理投诉1,204件。", "204件", "1,204件"),
        ("长2.15公里", "15公里", "2.15公里"),
        ("长2.15公里", "15", "2.15公里"),
        ("占98.6%的", "98", "98.6%"),
        ("投入约1400余人次,", "1400", "1400余人次"),
        ("耗资5亿日圆的", "5亿", "5亿日圆"),
        ("二十多人。", "二十多", "二十多人"),
        ("推行“贵和工作法”以来", "贵和工作法", "贵和工作法"),
        ("推行“贵和工作法”以来", "推行“贵和", "推行“贵和工作法”"),
        ("推行“贵和工作法”以来", "工作法”", "“贵和工作法”"),
        ("投入30万元(含税),", "30万元(含", "30万元(含税)"),
        ("他说“好。大家”都", "“好", "好"),
        ("由World Bank提供", "orld Ba", "World Bank"),
        ("时间是5月6日,", "5月6日,", "5月6日"),
        ("《关于(试行)的通知》", "关于(试行)的通知", "关于(试行)的通知"),
        (",", ",", ","),
        ("分别得15,23,40分", "23", "23"),
        ("投入500万人民币", "500万", "500万人民币"),
        ("建于1990年代", "1990", "1990"),
        ("沿318国道走", "318", "318"),
        ("请来15家长", "15", "15"),
        ("检查企业15家,", "15", "15家"),
        ("由张亿成为代表", "张亿", "张亿"),
        ("约2亿多美元", "2", "2亿多美元"),
    ],
)
def test_widened(text, marked, shown):
    start = text.index(marked)
    assert text[slice(*widened(text, (start, start + len(marked))))] == shown


TEXT = st.text("水厂12.,,“”《》()()。 a%", min_size=1, max_size=60)


@given(TEXT, st.data())
def test_it_is_a_span_of_the_text_that_touches_what_was_marked(text, draw):
    start = draw.draw(st.integers(0, len(text) - 1))
    end = draw.draw(st.integers(start + 1, len(text)))
    first, last = widened(text, (start, end))
    assert 0 <= first < last <= len(text)
    assert first < end
    assert start < last


@given(st.integers(0, 10**9), st.sampled_from(["{}", "{},500", "{}.7", "3:{}"]), st.data())
def test_no_number_is_cut(number, form, draw):
    text = f"共{form.format(number)}件"
    place = draw.draw(st.integers(1, len(text) - 2))
    start, end = widened(text, (place, place + 1))
    assert (start, end) == (1, len(text))


LISTS = [
    "做到减事项、减环节、减资料、减时间、减跑动,着力",
    "邀请区内工商银行、重庆银行、农商行等7家银行",
    "先后开展“春季攻坚”“夏季攻势”“秋冬季战役”,",
    "长2.1公里,由市交通局建设。",
    "现共有校本部、公馆校区与林口校区三个校区,",
    "可分为狩猎、竞技和军事。",
    "增加嘻哈音乐、雷鬼音乐以及华丽摇滚等",
    "历任人民政府副主席、中华人民共和国副主席等职",
    "提倡教育、医疗和社会保障的支出逐年增长,",
    "“残联、工会”、妇联",
    "政府迅速启动减事项、减环节、减资料行动",
    "在江北图书馆、博物馆、美术馆",
]


@pytest.mark.parametrize(
    ("text", "marked", "shown"),
    [
        (LISTS[0], "跑动", "减事项、减环节、减资料、减时间、减跑动"),
        (LISTS[0], "减事项", "减事项、减环节、减资料、减时间、减跑动"),
        (LISTS[1], "重庆银行", "区内工商银行、重庆银行、农商行"),
        (LISTS[1], "区内工商银行、重庆银行", "区内工商银行、重庆银行、农商行"),
        (LISTS[2], "“夏季攻势”", "“春季攻坚”“夏季攻势”“秋冬季战役”"),
        (LISTS[3], "2.1公里", "2.1公里"),
        (LISTS[3], "市交通局", "市交通局"),
        (LISTS[4], "林口校区", "校本部、公馆校区与林口校区"),
        (LISTS[5], "军事", "狩猎、竞技和军事"),
        (LISTS[5], "竞技", "狩猎、竞技和军事"),
        (LISTS[6], "嘻哈音乐", "嘻哈音乐、雷鬼音乐以及华丽摇滚"),
        (LISTS[7], "人民政府副主席", "人民政府副主席、中华人民共和国副主席"),
        (LISTS[8], "教育", "教育、医疗"),
        (LISTS[9], "妇联", "妇联"),
        (LISTS[10], "减环节、减资料", "减事项、减环节、减资料"),
        (LISTS[11], "博物馆", "在江北图书馆、博物馆、美术馆"),
    ],
)
def test_a_list_is_made_whole(text, marked, shown):
    start = text.index(marked)
    assert text[slice(*whole_list(text, (start, start + len(marked))))] == shown


@given(st.text("减事项、、、。,“”等", min_size=1, max_size=60), st.data())
def test_a_list_holds_what_was_marked(text, draw):
    start = draw.draw(st.integers(0, len(text) - 1))
    end = draw.draw(st.integers(start + 1, len(text)))
    first, last = whole_list(text, (start, end))
    assert 0 <= first < last <= len(text)
    marked = widened(text, (start, end))
    assert first <= marked[0]
    assert marked[1] <= last
