"""Values that several scenarios share: cities, dates, people, products, order numbers."""

CITIES = (
    "北京", "上海", "广州", "深圳", "天津", "重庆", "成都", "武汉", "杭州", "南京", "西安", "苏州", "长沙", "郑州",
    "青岛", "大连", "厦门", "昆明", "沈阳", "济南", "合肥", "福州", "南宁", "贵阳", "兰州", "太原", "南昌", "海口",
    "三亚", "宁波", "无锡", "温州", "泉州", "桂林", "拉萨", "银川", "西宁", "长春", "洛阳", "珠海",
)  # fmt: skip
UNSEEN_CITIES = ("北海", "南阳", "安阳", "海宁", "广安", "天门", "西昌", "大庆", "三明", "林州")
DATES = ("今天", "明天", "后天", "大后天", "周一", "周二", "周三", "周四", "周五", "周六", "周日", "下周一")
COUNTS = ("一", "两", "三", "四", "五", "六", "七", "八", "九", "十")

SURNAMES = tuple("王李张刘陈杨赵黄周吴徐孙马朱胡林郭何高罗")
GIVEN = (
    *"明芳伟娜强敏静丽军杰涛超霞平刚玲红文华飞",
    "小明", "小红", "小军", "小芳", "小丽", "晓东", "晓雪", "建国", "建华", "志强", "志明", "文静", "文杰", "雨涵",
    "雨晴", "子轩", "子涵", "思远", "思雨", "佳怡", "佳宁", "海涛", "海燕", "春梅", "玉兰", "俊杰", "俊峰", "天宇",
    "欣怡", "美玲",
)  # fmt: skip
JOBS = (
    "医生", "老师", "司机", "厨师", "警察", "律师", "记者", "护士", "演员", "歌手", "画家", "作家", "工程师", "会计",
    "导游", "翻译", "农民", "程序员", "设计师", "摄影师", "消防员", "理发师", "邮递员", "飞行员",
)  # fmt: skip
HOBBIES = (
    "游泳", "跑步", "唱歌", "跳舞", "画画", "下棋", "钓鱼", "爬山", "看书", "摄影", "做饭", "养花", "打篮球", "踢足球",
    "打羽毛球", "听音乐", "看电影", "骑自行车", "弹钢琴", "写毛笔字",
)  # fmt: skip

MODIFIERS = ("新款", "便携", "智能", "迷你", "经典", "轻便", "时尚", "家用", "简约", "复古", "高档", "实用")
GOODS = (
    "耳机", "键盘", "鼠标", "台灯", "水杯", "书包", "雨伞", "风扇", "手表", "音箱", "相机", "手机", "平板", "钱包",
    "行李箱", "电饭锅", "吹风机", "加湿器", "充电宝", "保温杯", "运动鞋", "计算器", "电水壶", "收音机",
)  # fmt: skip
COLOURS = ("黑色", "白色", "红色", "蓝色", "绿色", "灰色", "粉色", "黄色", "紫色", "银色")
LETTERS = "ABCDEFGH"


def city(dice):
    """Draw a city; one in 16 is a city that training never sees."""
    return dice.choice(UNSEEN_CITIES if dice.below(16) == 0 else CITIES)


def other_city(dice, taken):
    """Draw another city."""
    while (value := city(dice)) == taken:
        pass
    return value


def person(dice):
    """Draw a person's name."""
    return dice.choice(SURNAMES) + dice.choice(GIVEN)


def product(dice):
    """Draw a product, such as 便携台灯, as (modifier, noun)."""
    return dice.choice(MODIFIERS), dice.choice(GOODS)


def order(dice):
    """Draw an order number: a letter and four digits."""
    return f"{dice.choice(LETTERS)}{dice.between(1000, 9999)}"


def other_order(dice, taken):
    """Draw another order number: half of them differ in one digit only."""
    if dice.chance(50):
        while (value := order(dice)) == taken:
            pass
        return value
    place = dice.between(1, len(taken) - 1)
    digit = dice.other("123456789", taken[place])
    return taken[:place] + digit + taken[place + 1 :]


def city_values(*cities):
    """Return the cities as values for the splits."""
    return tuple(("city", name) for name in cities)


def city_dates(cities, dates):
    """Return all pairs of a city and a date, for the splits."""
    return tuple(("city", city, "date", date) for city in cities for date in dates)
