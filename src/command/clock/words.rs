//! The words for a clock's state, for people.

use owl_measure::clock::{BoundBasis, ClockSource, ClockStatus};
use owl_measure::time::Nanos;
use owl_measure::words::Lang;
use owl_probe::clock::{Finding, PartKind, Reading, Teller};

/// One line: what is claimed, by whom.
pub(super) fn headline(reading: &Reading, lang: Lang) -> String {
    let state = &reading.state;
    let status = status(state.status, lang);
    let by = match reading.teller {
        Some(teller) => lang.pick(
            format!(
                ", told by {} ({})",
                self::teller(teller),
                source(state.source, lang)
            ),
            format!(
                "，由 {} 告知（{}）",
                self::teller(teller),
                source(state.source, lang)
            ),
        ),
        None => String::new(),
    };
    match state.bound_at(state.as_of).zip(state.bound) {
        Some((bound, (_, basis))) => lang.pick(
            format!(
                "clock: {status}, within {bound} of UTC ({}){by}",
                self::basis(basis, lang)
            ),
            format!(
                "时钟：{status}，与 UTC 相差不超过 {bound}（{}）{by}",
                self::basis(basis, lang)
            ),
        ),
        None => lang.pick(
            format!("clock: {status}, nothing is claimed of it{by}"),
            format!("时钟：{status}，不作声明{by}"),
        ),
    }
}

/// What is not in the bound: the correction, what is random, the drift, the age.
pub(super) fn beside(reading: &Reading, lang: Lang) -> String {
    let state = &reading.state;
    let mut lines = Vec::new();
    if let (Some((low, high)), true) =
        (state.error_at(state.as_of), state.correction != Nanos::ZERO)
    {
        lines.push(lang.pick(
            format!(
                "its error is between {low} and {high}: add {} to a stamp to halve the doubt",
                state.correction
            ),
            format!(
                "误差介于 {low} 与 {high} 之间：时间戳加上 {} 可减小不确定度",
                state.correction
            ),
        ));
    }
    lines.push(lang.pick(
        format!(
            "it varies by {} (one standard deviation), and may drift {} in a minute",
            state.random,
            in_a_minute(state.drift_ppb)
        ),
        format!(
            "随机变化 {}（一倍标准差），一分钟内最多漂移 {}",
            state.random,
            in_a_minute(state.drift_ppb)
        ),
    ));
    if let Some(void_after) = state.void_after {
        let left = void_after - state.as_of;
        lines.push(lang.pick(
            format!("without another measurement the claim ends in {left}"),
            format!("若无新的测量，声明将在 {left} 后失效"),
        ));
    }
    lines.join("\n") + "\n"
}

fn in_a_minute(ppb: u32) -> Nanos {
    Nanos(i64::from(ppb) * 60)
}

fn status(status: ClockStatus, lang: Lang) -> &'static str {
    match status {
        ClockStatus::Synchronised => lang.pick("synchronised", "已同步"),
        ClockStatus::Holdover => lang.pick("in holdover", "保持"),
        ClockStatus::Free => lang.pick("free running", "自由运行"),
        ClockStatus::Disrupted => lang.pick("disrupted by a step", "因跳变而中断"),
    }
}

fn source(source: ClockSource, lang: Lang) -> &'static str {
    match source {
        ClockSource::Unknown => lang.pick("source unknown", "来源未知"),
        ClockSource::Ptp => "PTP",
        ClockSource::Gnss => lang.pick("satellites", "卫星"),
        ClockSource::Ntp => "NTP",
        ClockSource::Simulated => lang.pick("simulated", "模拟"),
    }
}

fn basis(basis: BoundBasis, lang: Lang) -> &'static str {
    match basis {
        BoundBasis::Measured => lang.pick("measured", "实测"),
        BoundBasis::Engineered => lang.pick("engineered, not measured", "工程设计值，非实测"),
        BoundBasis::Declared => lang.pick("declared in part or whole", "部分或全部为声明值"),
    }
}

pub(super) fn teller(teller: Teller) -> &'static str {
    match teller {
        Teller::Chrony => "chronyd",
        Teller::Ptp4l => "ptp4l",
        Teller::NtpdRs => "ntpd-rs",
        Teller::Clockbound => "ClockBound",
        Teller::Declared => "[clock] bound",
    }
}

/// A part's name, and where it comes from.
pub(super) fn part(kind: PartKind, lang: Lang) -> [&'static str; 2] {
    let (en, zh): ([&str; 2], [&str; 2]) = match kind {
        PartKind::Correction => (
            [
                "correction not applied",
                "what the daemon has still to correct",
            ],
            ["未施加的校正量", "守护进程尚待校正的偏差"],
        ),
        PartKind::HalfRootDelay => (
            [
                "half the root delay",
                "the round trip to the reference may lie in one direction",
            ],
            ["根时延的一半", "到参考源的往返时延可能全在单方向"],
        ),
        PartKind::RootDispersion => (
            [
                "root dispersion",
                "the errors that the daemons on the way state",
            ],
            ["根离散度", "沿途各守护进程自述的误差"],
        ),
        PartKind::ThreeDeviations => (
            [
                "three standard deviations",
                "the daemon tells one, which is no bound",
            ],
            ["三倍标准差", "守护进程只给出一倍标准差，不构成误差界"],
        ),
        PartKind::Offset => (
            ["largest offset lately", "the syncs of the last seconds"],
            ["近期最大偏差", "最近数秒的同步报文"],
        ),
        PartKind::MeanPathDelay => (
            ["mean path delay", "all asymmetry of the path lies within"],
            ["平均路径时延", "路径的全部不对称都在其中"],
        ),
        PartKind::DelayVariation => (
            [
                "variation of that delay",
                "the exchanges of the last seconds",
            ],
            ["该时延的变化", "最近数秒的报文交换"],
        ),
        PartKind::LinkFloor => (
            ["least the link takes", "[clock] link_floor"],
            ["链路的最小时延", "[clock] link_floor"],
        ),
        PartKind::Grandmaster => (
            [
                "the grandmaster's own",
                "its clockAccuracy, or [clock] grandmaster_bound",
            ],
            [
                "主时钟自身误差",
                "其 clockAccuracy 或 [clock] grandmaster_bound",
            ],
        ),
        PartKind::Budget => (
            [
                "timing budget",
                "[clock] budget, engineered and not measured",
            ],
            ["授时预算", "[clock] budget，工程设计值，非实测"],
        ),
        PartKind::Receiver => (
            ["receiver and cable", "[clock] receiver_error, or assumed"],
            ["接收机与馈线", "[clock] receiver_error，或为假定值"],
        ),
        PartKind::InterfaceToSystem => (
            [
                "interface's clock to system's",
                "both read one after the other",
            ],
            ["网卡时钟到系统时钟", "两者先后读取"],
        ),
        PartKind::ClockBound => (
            ["ClockBound's bound", "its shared memory"],
            ["ClockBound 的误差界", "其共享内存"],
        ),
        PartKind::Declared => (["declared", "[clock] bound"], ["声明值", "[clock] bound"]),
        PartKind::Drift => (
            ["drift since measured", "[clock] oscillator, times the age"],
            ["测量以来的漂移", "[clock] oscillator 乘以时长"],
        ),
    };
    lang.pick(en, zh)
}

/// What was found, and how to mend it where that is known.
pub(super) fn finding(finding: &Finding, lang: Lang) -> (String, Option<String>) {
    let (said, mend): ((String, String), Option<(&str, &str)>) = match finding {
        Finding::Silent { teller, why } => (
            (
                format!("{} does not tell: {why}", self::teller(*teller)),
                format!("{} 未回答：{why}", self::teller(*teller)),
            ),
            Some((
                "is it running, and may this user use its socket? (root, or the daemon's group)",
                "请确认其正在运行，且当前用户可访问其套接字（root 或该守护进程的用户组）",
            )),
        ),
        Finding::Unsynchronised => (
            ("the daemon follows nothing".into(), "守护进程未跟踪任何时间源".into()),
            Some(("`chronyc sources` or the daemon's log shows why its sources are not used", "`chronyc sources` 或守护进程日志可查明时间源未被采用的原因")),
        ),
        Finding::Stale { age, limit } => (
            (
                format!("the last measurement is {age} old, and nothing is claimed after {limit}; the daemon itself may still look well"),
                format!("最近一次测量在 {age} 之前，超过 {limit} 即不作声明；守护进程自身可能仍显示正常"),
            ),
            Some(("look for why its source became silent: route, firewall, or a path that became slower", "请检查时间源失联的原因：路由、防火墙或路径变慢")),
        ),
        Finding::Holdover { age } => (
            (
                format!("no measurement for {age}; the bound grows with the oscillator's drift"),
                format!("已有 {age} 无测量；误差界随振荡器漂移而增大"),
            ),
            None,
        ),
        Finding::LocalReference => (
            ("the server follows nothing but its own oscillator, so its time is nobody's UTC".into(), "服务器仅跟随自身振荡器，其时间并非 UTC".into()),
            Some(("mend the server's own source, or take another server", "请修复该服务器的时间源，或更换服务器")),
        ),
        Finding::ServerUnseen => (
            ("chronyd does not tell here what its server follows; a server that follows only itself would not show".into(), "此方式下 chronyd 不告知其服务器所跟随的时间源；仅跟随自身的服务器无法识别".into()),
            Some(("run this as root or as chrony's user, so that it can ask over chronyd's Unix socket", "请以 root 或 chrony 用户运行，以便通过 chronyd 的 Unix 套接字查询")),
        ),
        Finding::MaxClockErrorSmall { told_ppb, needed_ppb } => (
            (
                format!("chronyd adds {:.1} ppm for the oscillator, which may drift {:.1} ppm; the difference was added here", f64::from(*told_ppb) / 1e3, f64::from(*needed_ppb) / 1e3),
                format!("chronyd 仅为振荡器计入 {:.1} ppm，而其可漂移 {:.1} ppm；差额已在此计入", f64::from(*told_ppb) / 1e3, f64::from(*needed_ppb) / 1e3),
            ),
            Some(("`maxclockerror 50` in chrony.conf, or name a better oscillator: [clock] oscillator = \"tcxo\" or \"ocxo\"", "在 chrony.conf 中设置 `maxclockerror 50`，或声明更好的振荡器：[clock] oscillator = \"tcxo\" 或 \"ocxo\"")),
        ),
        Finding::StampedByProcess => (
            ("NTP packets are stamped by the process, so its own delays look like the network's".into(), "NTP 报文由进程打时间戳，其自身延迟会被当作网络时延".into()),
            Some(("`hwtimestamp *` in chrony.conf where the interface can; kernel stamps need SO_TIMESTAMPING", "网卡支持时在 chrony.conf 中设置 `hwtimestamp *`；内核时间戳需要 SO_TIMESTAMPING")),
        ),
        Finding::JitterAsymmetry => (
            ("nearly all of the delay's variation is in one direction, so the clock is pulled to one side".into(), "时延变化几乎全在单方向，时钟会被拉向一侧".into()),
            Some(("a nearer server, or one over another path", "请使用更近的服务器，或经由其他路径的服务器")),
        ),
        Finding::ReceiverAssumed { error } => (
            (
                format!("nobody said how exact the receiver and its cable are; {error} was assumed"),
                format!("未声明接收机与馈线的误差，假定为 {error}"),
            ),
            Some(("[clock] receiver_error = its accuracy and 5 ns for each metre of cable that is not compensated", "[clock] receiver_error = 接收机精度，加上未补偿馈线每米 5 ns")),
        ),
        Finding::PortState { state } => (
            (
                format!("the port follows no master ({})", port_state(*state)),
                format!("端口未跟随任何主时钟（{}）", port_state(*state)),
            ),
            Some(("do announce messages come? the domain, the transport and the VLAN must be the master's", "请确认能收到 announce 报文；域、传输方式与 VLAN 须与主时钟一致")),
        ),
        Finding::DelayUnanswered { age } => (
            (
                format!("syncs come, but no delay request was answered for {age}, so the mean path delay stands still"),
                format!("能收到 sync，但已有 {age} 未收到 delay 应答，平均路径时延停止更新"),
            ),
            Some(("the way to the master loses delay requests: look at its access lists and at the port's rate limits", "去往主时钟方向丢失 delay 请求：请检查访问控制与端口限速")),
        ),
        Finding::Audited => (
            ("the clock is compared with the grandmaster and not steered by ptp4l".into(), "ptp4l 仅比较、不调整该时钟".into()),
            None,
        ),
        Finding::GrandmasterUnknown { class, accuracy, traceable } => (
            (
                format!("the grandmaster does not vouch for its time: clockClass {class}, clockAccuracy {accuracy:#04x}, traceable {traceable}"),
                format!("主时钟未担保其时间：clockClass {class}，clockAccuracy {accuracy:#04x}，可溯源 {traceable}"),
            ),
            Some(("a grandmaster of clockClass 6 with its accuracy set, or [clock] grandmaster_bound = what its owner guarantees", "请使用 clockClass 6 且设定了精度的主时钟，或 [clock] grandmaster_bound = 其所有者保证的误差")),
        ),
        Finding::BoundaryClocks { steps_removed } => (
            (
                format!("{steps_removed} clocks lie on the way, so the mean path delay is of the last hop only and bounds nothing"),
                format!("路径上有 {steps_removed} 级时钟，平均路径时延仅为最后一跳，不构成误差界"),
            ),
            Some(("[clock] budget = { bound = \"1.1us\", steps_removed = N } where the path was engineered (G.8271.1)", "若该路径经过工程设计（G.8271.1）：[clock] budget = { bound = \"1.1us\", steps_removed = N }")),
        ),
        Finding::BudgetBroken { steps_removed, expected } => (
            (
                format!("the path has {steps_removed} clocks now, and its budget was made for {expected}"),
                format!("路径现有 {steps_removed} 级时钟，而预算按 {expected} 级设计"),
            ),
            Some(("the timing path was rerouted: restore it, or engineer a budget for the new one", "授时路径已改变：请恢复，或为新路径重新设计预算")),
        ),
        Finding::InterfaceClockUnread { interface } => (
            (
                format!("ptp4l follows the clock of {interface}, and how far the system's clock is from it cannot be read"),
                format!("ptp4l 跟随 {interface} 的时钟，而系统时钟与其偏差无法读取"),
            ),
            Some(("run phc2sys, and let this user read /dev/ptpN", "请运行 phc2sys，并允许当前用户读取 /dev/ptpN")),
        ),
        Finding::WholeSeconds { seconds } => (
            (
                format!("the offset is near {seconds} s: a time scale is taken for another (TAI, GPS, BeiDou), or a leap second is missing"),
                format!("偏差接近 {seconds} s：时标混淆（TAI、GPS、北斗）或漏计闰秒"),
            ),
            Some(("compare the source's time scale and the UTC offset that it tells with what this host expects", "请核对时间源的时标及其 UTC 偏移与本机预期")),
        ),
        Finding::Stepped { by } => (
            (format!("the clock stepped by {by}"), format!("时钟跳变 {by}")),
            Some(("let it slew once it is set: `makestep 1 3` in chrony.conf, `step_threshold 0` in ptp4l's", "校准后应只做缓调：chrony.conf 中 `makestep 1 3`，ptp4l 配置中 `step_threshold 0`")),
        ),
        Finding::KernelUnsynchronised => (
            ("the kernel says that nothing disciplines the clock".into(), "内核表明该时钟未被同步".into()),
            Some(("`rtcsync` in chrony.conf lets chronyd tell it; what is declared is believed only then", "在 chrony.conf 中设置 `rtcsync` 由 chronyd 告知内核；声明值仅在此后被采信")),
        ),
        Finding::KernelVouches => (
            ("the kernel's maxerror is 0: phc2sys or systemd-timesyncd keeps it there, and it bounds nothing".into(), "内核 maxerror 为 0：由 phc2sys 或 systemd-timesyncd 置零，不构成误差界".into()),
            None,
        ),
        Finding::TaiOffset { seconds } => (
            (format!("the kernel takes TAI − UTC for {seconds} s, and it is 37 s"), format!("内核认为 TAI − UTC 为 {seconds} s，实为 37 s")),
            Some(("`leapsectz right/UTC` in chrony.conf sets it", "在 chrony.conf 中设置 `leapsectz right/UTC`")),
        ),
        Finding::FrequencyJump { by_ppb } => (
            (
                format!("the kernel's frequency correction jumped by {:.1} ppm in a second", f64::from(*by_ppb) / 1e3),
                format!("内核频率校正量一秒内跳变 {:.1} ppm", f64::from(*by_ppb) / 1e3),
            ),
            None,
        ),
        Finding::NobodyTells => (
            ("nobody tells of this clock, and nothing is declared".into(), "没有守护进程告知该时钟，也没有声明值".into()),
            Some(("install chrony (NTP: 0.1 to 2 ms) or linuxptp (PTP: below 1 µs with hardware stamps); what it says is found by itself", "请安装 chrony（NTP：0.1 至 2 ms）或 linuxptp（PTP：有硬件时间戳时低于 1 µs），其状态会被自动读取")),
        ),
    };
    (
        lang.pick(said.0, said.1),
        mend.map(|(en, zh)| lang.pick(en, zh).to_owned()),
    )
}

/// IEEE 1588-2019, table 20.
fn port_state(state: u8) -> &'static str {
    match state {
        1 => "INITIALIZING",
        2 => "FAULTY",
        3 => "DISABLED",
        4 => "LISTENING",
        5 => "PRE_MASTER",
        6 => "MASTER",
        7 => "PASSIVE",
        8 => "UNCALIBRATED",
        9 => "SLAVE",
        _ => "?",
    }
}
