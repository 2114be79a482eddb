// Everything that the page says in German: the same keys as in English.

const days = (n) => (n < 0.75 ? `${Math.max(1, Math.round(n * 24))} Stunden` : n < 1.5 && Math.round(n) === 1 ? "1 Tag" : `${(n >= 10 ? Math.round(n) : Math.round(n * 10) / 10).toLocaleString("de-DE")} Tagen`);

const visited = ({value, baseline}, n) => `${value} ${value === 1 ? "Besuch" : "Besuche"} von Mitgliedern in ${n} Tagen; ${baseline.toLocaleString("de-DE", {maximumFractionDigits: 1})} sind üblich`;

// The reasons of an alert by their code; one that is not here is shown as the engine has worded it.
const reasons = {
  silence: ({value, baseline, contribution}) => (contribution === -baseline && value === 0 ? `gar nichts mehr; üblich sind etwa ${Math.round(baseline)} Datensätze je Minute` : `${value ? `${value > baseline ? "" : "erst "}seit ${days(value)} kein Besuch` : "heute aktiv"}; sonst alle ${days(baseline).replace("Tagen", "Tage")}`),
  visit_rhythm: ({value, baseline}) => (value < 2 ? (value ? "bisher an einem Tag aktiv" : "noch kein aktiver Tag") : `an ${Math.round(value)} der ${Math.round(baseline) + 1} Tage bis zum letzten Besuch aktiv`),
  earlier_gaps: ({value}) => (value > 0 ? "die Besuche waren schon vorher seltener geworden" : "davor waren die Besuche regelmäßig"),
  activity_ratio: ({value}) => `die letzte Zeit liegt bei ${Math.round(100 * value)} % des Üblichen`,
  learned: ({value, baseline}) => `Nutzer wie dieser gingen ${value > baseline ? "öfter" : "seltener"} verloren, als ihr Rhythmus allein sagt`,
  visits_7d: (reason) => visited(reason, 7),
  visits_14d: (reason) => visited(reason, 14),
  visits_28d: (reason) => visited(reason, 28),
  count: ({value, baseline}) => `${whole(value)} Ereignisse, ${Math.round((100 * value) / baseline)} % der üblichen ${whole(baseline)}`,
};
const numbers = {two: "zwei", three: "drei", four: "vier", five: "fünf", six: "sechs", seven: "sieben"};
const whole = (n) => Math.round(n).toLocaleString("de-DE");

export const words = {
  skip: "Zum Inhalt", menu: "Ansichten", dark: "Dunkle Farben", other: "In English", leave: (name) => `${name} abmelden`, loading: "Wird geladen", table: "Tabelle",
  broken: "Das lässt sich im Moment nicht zeigen.", away: "Der Server antwortet nicht. Zu sehen ist der letzte Stand; die Seite verbindet sich von selbst wieder und versäumt nichts.",
  states: {connecting: "Verbindet", live: "Live", away: "Verbindet neu"},
  views: {now: "Jetzt", alerts: "Alarme", users: "Nutzer", metrics: "Zahlen", funnel: "Trichter", inspector: "Lupe", operations: "Betrieb"},
  news: (alerts) => `${alerts} begonnen oder beendet`,
  ago: (span) => `vor ${span}`,
  within: (span) => `in ${span}`,
  nouns: {alert: ["Alarm", "Alarme"], day: ["Tag", "Tage"], record: ["Datensatz", "Datensätze"], user: ["Nutzer", "Nutzer"], event: ["Ereignis", "Ereignisse"], letter: ["zurückgelegter Datensatz", "zurückgelegte Datensätze"]},
  names: {
    site_drop: "viel weniger Ereignisse als sonst", drop: "weniger Ereignisse als sonst", source_silent: "Quelle schweigt", tracking_drift: "Messung hat sich geändert", churn_risk_group: "viele drohen abzuwandern", engagement_drop_group: "viele sind kaum noch aktiv", users: "viele Nutzer", tracking: "Messung", property: "Eigenschaft", tracking_broken: "Messung defekt", off_plan: "nicht nach Plan", country: "Land", device: "Gerät", category: "Kategorie", campaign: "Kampagne", event: "Ereignis", topic: "Topic",
    churn_risk: "droht abzuwandern", engagement_drop: "Aktivität eingebrochen", account_drop: "Kunde kommt viel seltener", account: "Kunde", usual: "üblich geworden", critical: "kritisch", high: "hoch", warning: "Warnung", info: "Hinweis", low: "niedrig", medium: "mittel",
    silence: "Stille", came_back: "zurückgekehrt", expired: "verfallen", bought: "gekauft", cancelled: "gekündigt", erased: "gelöscht", merged: "vereint",
    cold: "kalt", cool: "kühl", warm: "warm", hot: "heiß", core: "Kern",
    counted: "gezählt", duplicate: "doppelt", late: "zu spät", rejected: "abgelehnt", rerouted: "weitergeleitet", control: "Steuerung",
    band: "Stufe", recency: "letztem Besuch", identity: "Anmeldung", today: "heute", "7d": "in 7 Tagen", "30d": "in 30 Tagen", longer: "länger her", known: "bekannt", anonymous: "anonym", rest: "alle übrigen", unknown: "unbekannt",
    dau: "Aktive am Tag", wau: "Aktive in der Woche", mau: "Aktive im Monat", stickiness: "Bindung, DAU zu MAU", new_users: "neue Nutzer", returning_share: "Anteil Wiederkehrender", retention_d1: "wieder da, Tag 1", retention_d7: "wieder da, Tag 7", retention_d30: "wieder da, Tag 30", visits: "Besuche", engaged_session_rate: "Anteil engagierter Besuche",
    interaction_rate: "Interaktionen je Besuch", interaction_rate_weighted: "Interaktionen, gewichtet", page_views: "Seitenaufrufe", referrals: "Verweise", shares: "Geteiltes", k_factor: "K-Faktor", orders: "Bestellungen", cvr_events: "Konversion der Besuche", cvr_users: "Konversion der Nutzer", revenue: "Umsatz", sales: "Verkäufe", returns: "Rückgaben", refunds: "Erstattungen",
    average_order: "Wert je Bestellung", arpu: "Umsatz je Nutzer", buyers: "Käufer", repeat_buyers: "Wiederkäufer", orders_per_user: "Bestellungen je Käufer", expansion_revenue: "Umsatz durch Aufstieg", contraction_revenue: "Umsatz durch Abstieg", abandonment_rate: "Kaufabbruch", ctr: "geklickt, von zugestellten", ctr_sent: "geklickt, von gesendeten",
    open_rate: "geöffnet, von zugestellten", open_rate_sent: "geöffnet, von gesendeten", nps: "Net Promoter Score", csat: "Zufriedenheit (CSAT)", ces: "Aufwand (CES)", sign_ups: "Registrierungen", activation_rate: "Aktivierung", opt_in_rate: "Einwilligungen",
    desktop: "Computer", mobile: "Handy", tablet: "Tablet", tv: "Fernseher", console: "Konsole", wearable: "am Körper", channel: "Kanal", email: "E-Mail", sms: "SMS", push: "Push", webpush: "Web-Push", inapp: "in der App", direct: "direkt", referral: "Verweis", organic: "Suche", paid: "Anzeige", social: "soziale Netze", affiliate: "Partner", share: "geteilt",
    stage: "Phase", new: "neu", active: "aktiv", power: "sehr aktiv", slipping: "entgleitet", dormant: "eingeschlafen", resurrected: "wieder da", buyer: "Käufertyp", no_order: "ohne Bestellung",
    champion: "Spitzenkunde", loyal: "treu", potential_loyalist: "bald treu", new_customer: "Neukunde", promising: "vielversprechend", needs_attention: "braucht Zuwendung", about_to_sleep: "schläft bald ein", cannot_lose: "unverzichtbar", at_risk: "gefährdet", hibernating: "im Winterschlaf", lost: "verloren",
    page_view: "Seitenaufruf", screen_view: "Bildschirmaufruf", signed_up: "Registrierung", signed_in: "Anmeldung", signed_out: "Abmeldung", products_searched: "Produktsuche", product_list_viewed: "Liste angesehen", product_clicked: "Produkt angeklickt",
    product_viewed: "Produkt angesehen", product_added: "in den Warenkorb gelegt", product_removed: "aus dem Warenkorb genommen", cart_viewed: "Warenkorb angesehen", checkout_started: "zur Kasse gegangen", payment_info_entered: "Zahlungsdaten eingegeben",
    order_completed: "Bestellung", order_refunded: "Erstattung", order_cancelled: "Bestellung storniert", product_shared: "Produkt geteilt", product_reviewed: "Produkt bewertet", coupon_applied: "Gutschein eingelöst", sessions: "Sitzungen", custom: "sonstiges", other: "übriges",
    email_sent: "E-Mail gesendet", email_delivered: "E-Mail zugestellt", email_opened: "E-Mail geöffnet", email_clicked: "E-Mail angeklickt", rating_given: "Bewertung abgegeben", support_contacted: "Support gefragt",
    empty: "leer", too_large: "zu groß", not_json: "kein JSON", wrong_type: "falscher Typ", missing_field: "Feld fehlt", bad_id: "ungültige Kennung", blocked_id: "gesperrte Kennung", future: "in der Zukunft", unknown_type: "unbekannte Art", limit: "über der Grenze", rule_error: "Fehler in einer Regel",
  },
  reason: (reason) => reasons[reason.code]?.(reason) ?? (reason.code.startsWith("event:") ? `${words.names[reason.code.slice(6)] ?? reason.code.slice(6)}: ${whole(reason.value)}, üblich sind ${whole(reason.baseline)}` : reason.text),
  clears: (what) => what.replace(/^one visit$/, "ein Besuch").replace(/^(\w+) visits this week$/, (_, n) => `${numbers[n] ?? n} Besuche diese Woche`).replace(/^visits on (\d+) days in a row$/, "Besuche an $1 Tagen hintereinander").replace(/^(\d+) visits? of members within seven days$/, "$1 Besuche von Mitgliedern in sieben Tagen").replace(/^regular visits for more than (\d+) days$/, "regelmäßige Besuche über mehr als $1 Tage")
    .replace(/^about ([\d,.]+) events in .*$/, (_, n) => `etwa ${n.replace(",", ".")} Ereignisse, wie um diese Zeit üblich`).replace(/^one record on the topic;.*$/, "ein Datensatz auf dem Topic"),
  now: {
    events: "Ereignisse je Sekunde", eventsUnit: "Ereignisse/s", last: "letzte 3 Minuten", waiting: (n) => `${n} noch nicht gezählt`, nothingWaits: "nichts wartet", noLag: "Rückstand unbekannt",
    active: "Aktive Nutzer", users: "Nutzer", of: (span, n) => `in ${span}, von ${n} bewerteten`,
    firing: "Offene Alarme", alerts: "Alarme", calm: "alles ruhig",
    soon: "Ereignis bis Wert", half: (time) => `die Hälfte; 99 % in ${time}`, noScore: "kein Wert in der letzten Minute",
    score: "Engagement-Wert", scoreUnit: "Nutzer nach Wert, 0 bis 100", scoreBar: (low, high, n) => `Wert ${low} bis ${high}\n${n} Nutzer`,
    attention: "Braucht Zuwendung", all: "Alle Alarme", nobody: "Niemand braucht Zuwendung.",
    movers: "Bewegung", moversUnit: "Punkte in 10 min", up: "Hinauf", down: "Hinab", still: "Noch hat sich niemand um einen Punkt bewegt.",
    read: " Datensätze gelesen =", whole: "✓ jeder Datensatz hat ein Ergebnis", gaps: (records) => `${records} in Lücken des Protokolls`,
    second: "jetzt", minutes: (n) => `−${n} min`, seconds: (n) => `−${n} s`,
    eventsChart: "Gezählte Ereignisse je Sekunde in den letzten drei Minuten.", scoreChart: "Nutzer nach Engagement-Wert, fünf Punkte je Balken.",
  },
  alerts: {
    title: "Alarme", status: "Stand", rule: "Regel", severity: "Schwere", any: "alle", firing: "offen", resolved: "beendet", filters: "Filter",
    older: "Ältere Alarme", none: "Kein Alarm passt.", partial: ", und ältere, die nicht mehr hier sind",
    clears: (what) => `beenden würde ihn: ${what}`, ended: (cause) => `beendet: ${cause}`,
    risk: (percent, days, value) => `Risiko ${percent} in ${days} · Kundenwert ${value}`,
    whole: "alle", state: "Bearbeitung", states: {open: "offen", acknowledged: "gesehen", snoozed: "zurückgestellt"}, group: "Gruppieren", ungrouped: "gar nicht", who: "zuständig", nobodys: "niemandem zugeteilt",
    snoozed: (at) => `zurückgestellt bis ${at} UTC`, acknowledged: (who) => `gesehen von ${who}`, assigned: (who) => `für ${who}`, notes: (n) => `Notizen: ${n}`, noteList: "Notizen", open: (id) => `Einzelheiten zu ${id}`,
    acknowledge: "Gesehen", unacknowledge: "Gesehen", snooze: "Zurückstellen", wake: "Zurückgestellt", hour: "eine Stunde", day: "bis morgen", week: "eine Woche", now: "wieder zeigen", assign: "Zuteilen an", mine: "Mir", note: "Notiz", save: "Sichern",
    keys: [["j", "weiter"], ["k", "zurück"], ["a", "gesehen"], ["s", "zurückstellen"], ["m", "mir"], ["n", "Notiz"], ["Enter", "Nutzer öffnen"]],
  },
  users: {
    title: "Nutzer", field: "Kennung", hint: "Kennung, oder anon: und die anonyme Kennung", look: "Nachsehen", begin: "Wer Zuwendung braucht oder sich gerade bewegt hat:", nobodyYet: "Noch hat niemand einen Wert.",
    unseen: (id) => `Niemand hat ${id} gesehen. Für jemanden, der sich nie angemeldet hat: anon: und die anonyme Kennung.`,
    known: (ids) => ids.shared ? `seit ${ids.since.slice(0, 10)} eine Kennung mehrerer Menschen` : `bekannt seit ${ids.since.slice(0, 10)}, vorher anonym`,
    merged: (ids) => `${ids.asked} gehört seit ${ids.merged.slice(0, 10)} zu diesem Nutzer`,
    of: "von 100", asOf: (at, first) => `Stand ${at} UTC${first ? `, zuerst gesehen ${first}` : ""}`,
    rests: "Worauf der Wert beruht", days7: "letzte 7 Tage", ahead: "Wenn nichts mehr kommt", nothingAhead: "Die Zeit allein ändert nichts.", due: "jetzt fällig",
    leaving: (days) => `Abwanderung innerhalb von ${days}`, drop: "Einbruch der Aktivität", limits: (on, off) => `Alarm ab ${on}, vorbei unter ${off}`, adds: "trägt bei", because: "weil", sum: "Summe",
    activity: "Aktivität", activityUnit: "Ereignisse; Umsatz in ganzen Einheiten", event: "Ereignis", ever: "je", revenue: "Umsatz",
    alerts: "Alarme", noAlerts: "Keine, soweit Alarme aufgehoben werden.", points: "Punkte", contribution: (name, n, points) => `${name}\n${n} Ereignisse, ${points} Punkte`,
    curveChart: "Engagement-Wert im Verlauf.", curve: "Engagement-Wert im Verlauf", curveUnit: "0 bis 100", noCurve: "Bisher ein Wert: eine Kurve braucht zwei.", timeline: "Verlauf", kept: (n, days) => `die letzten ${n}, ${days} lang`, noStory: "Noch ist nichts aufgehoben.", more: "Alles, was aufgehoben ist",
    kinds: {event: "Ereignis", score: "Wert", alert: "Alarm"}, scored: (score, band, risk) => `${score}, ${band}; Abwanderung ${risk}`, why: "Warum, in Worten", export: "Alles, was über diesen Nutzer bekannt ist, als Datei", nothing7: "Nichts in den letzten 7 Tagen.",
    contributionChart: "Punkte nach Art des Ereignisses in sieben Tagen.",
    account: "Kunde", accountUnit: (score, band) => `Wert ${score}, ${band}`, accountMembers: (n, active, risk) => `${n} Mitglieder, ${active} aktiv in 30 Tagen; abwanderungsgefährdet: ${risk} des Gewichts`,
    member: "Mitglied", weight: "Gewicht", score: "Wert", lastActive: "zuletzt aktiv", others: (n) => `${n} weitere`, visits: (n, came, usual) => `${came} Besuche in ${n} Tagen, ${usual} sind üblich`, youngAccount: "Noch zu neu, um Übliches zu kennen.",
  },
  operations: {
    title: "Betrieb", fates: "Ergebnisse", adds: "✓ die Summe ist, was gelesen wurde", gaps: (records) => `${records} liegen in Lücken des Protokolls`, partition: "Partition", read: "gelesen", sum: "Summe", behind: "Rückstand", all: "alle",
    nothing: "Noch wurde nichts gezählt.", lag: "Rückstand", lagUnit: "noch nicht gezählte Datensätze", topic: "Topic", records: "Datensätze", noKafka: "Kafka antwortet nicht.",
    figures: "Kennzahlen", half: "Ereignis bis Wert, die Hälfte", most: "Ereignis bis Wert, 99 %", letters: "zurückgelegt", rules: "Regeln", version: "Version", app: "Anwendung",
    workers: "Worker", worker: "Worker", partitions: "Partitionen", rate: "Ereignisse/s", memory: "Speicher", up: "läuft seit", waits: "wartet auf", none: "nichts", noWorker: "In den letzten 10 Sekunden war kein Worker zu hören.",
  },
  whole: {
    title: "Sind noch alle da?", note: "Ereignisse je Stunde, UTC; hinterlegt: was üblich ist", series: "Wovon", none: "Noch wurde keine ganze Stunde gezählt.", unit: "Ereignisse/h", usual: "üblich", events: "Ereignisse", chart: (what) => `Ereignisse je Stunde von ${what}, neben dem Üblichen.`,
    unknown: "nicht bekannt", came: (n) => `${n} Ereignisse`, expected: (n, low, high) => `üblich: ${n} (${low} bis ${high})`, learning: "Was üblich ist, steht noch nicht fest: eine Stunde der Woche wird in drei Wochen gelernt.",
    last: (n, usual, at) => `${n} Ereignisse in der Stunde ab ${at}; üblich sind ${usual}.`, was: (from, to, what) => `Markiert: ${what}, ${from} bis ${to}.`, firing: (what, at) => `Seit ${at}: ${what}.`,
  },
  first: {
    title: "Schick ein eigenes Ereignis", watch: (name) => `Beobachte ${name}, einen eigenen Nutzer`, send: "Schick ein Ereignis von der Befehlszeile:", copy: "Kopieren", copied: "Kopiert", see: "Es erscheint links: was in ihm gelesen wird, was aus ihm wird und was es ändert. Schick es zweimal: doppelt ist nur eines mit derselben messageId.",
    key: "WRITE_KEY ist einer aus config/keys.yaml.",
  },
  metrics: {
    lede: "Das Geschäft, genau gezählt. Jede Zahl sagt, worauf sie beruht.", controls: "Was gezeigt wird", window: "Fenster", windows: {hour: "diese Stunde", "24h": "24 Stunden", day: "heute", "7d": "7 Tage", "30d": "30 Tage", month: "dieser Monat"}, of: "Zahl", by: "Nach Teil",
    all: "Alle Zahlen", metric: "Zahl", value: "Wert", before: "gegen das Fenster davor", parts: "Zähler / Nenner", definition: "Definition", span: (from, to) => `${from} bis ${to} UTC`, same: "gleich", none: "In diesem Fenster wurde nichts gezählt.",
    cut: (metric, by) => `${metric} nach ${by}`, uncut: "Kein Ereignis dieses Fensters sagt, zu welchem Teil es gehört.", overflow: (n) => `${n} Zählungen fanden namentlich keinen Platz: Zahlen nach Kampagne, Umfrage, Quelle und Funktion sind nicht vollständig.`,
  },
  letters: {
    title: "Zurückgelegt", found: (letters) => `${letters} in 24 Stunden`, none: "Nichts musste zurückgelegt werden.", place: (topic, partition, offset) => `${topic}, Partition ${partition}, Offset ${offset}`, times: (n) => `${n}-mal abgelehnt`,
    look: "Bytes", send: "Noch einmal senden", all: "alle noch einmal", nothing: "Gar keine Bytes.",
    sent: (letters, missing, unaddressed) => `Noch einmal gesendet: ${letters}.${missing ? ` ${missing} gibt es nicht mehr.` : ""}${unaddressed ? ` ${unaddressed} ohne lesbaren Nutzer.` : ""} Schon Gezähltes zählt nicht doppelt; was wieder abgelehnt wird, kommt hierher zurück.`,
  },
  funnel: {
    title: "Trichter", lede: "Wie viele Menschen wie weit kommen. Die Schritte wählst du.", controls: "Was gezählt wird", step: (n) => `Schritt ${n}`, remove: (n) => `Schritt ${n} entfernen`, add: "Schritt hinzufügen",
    window: "Innerhalb von", by: "Nach", windows: {"5m": "5 Minuten", "1h": "1 Stunde", "24h": "24 Stunden", "7d": "7 Tagen", "30d": "30 Tagen"}, within: (window) => `Nutzer, innerhalb von ${window}`,
    result: "Wie weit sie kommen", nobody: "In dieser Zeit hat niemand den ersten Schritt getan.", users: "Nutzer", start: "alle, die beginnen", ofFirst: (x) => `${x} des ersten Schritts`, ofBefore: (x) => `${x} des Schritts davor`, lost: (n) => `${n} verloren`,
    through: "Bis zum Ende", throughOf: (n, of) => `${n} von ${of}, die begonnen haben`, worst: (a, b, x) => `Die meisten gehen zwischen ${a} und ${b} verloren: ${x}.`,
    meaning: "Was die Zahlen bedeuten", means: "Gezählt wird an einem Schritt, wer ihn und alle davor innerhalb der Zeit getan hat, in beliebiger Reihenfolge: gespeichert sind Anzahlen, keine Abfolgen.",
    whole: (n) => `Alle wurden gezählt: ${n} Nutzer.`, sample: (n, of) => `${n} Nutzer wurden zufällig aus ${of} gezogen; in Klammern, wo der Anteil aller in neunzehn von zwanzig Fällen liegt.`,
    groups: (by) => `Nach ${by}`, groupUnit: "Nutzer", looked: "angesehen",
    only: (by, value) => `nur ${by}: ${value}`, everybody: "Wieder alle zählen", nobodyOf: (by, value) => `Von ${by} ${value} hat in dieser Zeit niemand den ersten Schritt getan.`,
  },
  inspector: {
    title: "Lupe", lede: "Ereignisse, wie sie ankommen: was das System in ihnen liest, was aus ihnen wird und was sie ändern.", field: "Kennung", hint: "Kennung; leer: einige von allen", watch: "Beobachten", watching: "Beobachtet",
    all: "Datensätze, wie sie ankommen", of: (id) => `Datensätze von ${id}`, passed: (n) => `${n} weitere kamen vorbei`, silent: "Noch ist nichts angekommen.", nothing: (id) => `Von ${id} ist noch nichts angekommen. Schick etwas: hier erscheint es.`,
    changed: "Was es geändert hat", since: "seit du zusiehst", unknown: "Diesen Nutzer hat noch niemand gesehen.", same: "Noch hat sich nichts geändert.", fresh: "Ein neuer Nutzer.",
    control: "Steuersatz", unreadable: "Kein Ereignis", waiting: "wartet", valid: (type, size) => `Lesbar als ${type}, ${size}`, rejected: (reason, at) => `Nicht zählbar: ${reason} bei ${at}`, isControl: "Stellt die Uhr einer Wiederholung",
    fates: {
      counted: (_, partition, rev) => `gezählt in Schritt ${rev} von Partition ${partition}`, duplicate: (_, partition, rev) => `schon gesehen: nicht noch einmal gezählt (Schritt ${rev} von Partition ${partition})`, late: () => "älter als das längste Fenster vor dem neuesten Ereignis: nicht gezählt",
      rejected: (reason) => `zurückgelegt${reason ? `: ${reason}` : ""}`, rerouted: (_, partition) => `von Partition ${partition} nach Hause geschickt`, control: () => "zur Kenntnis genommen", erased: () => "gelöscht",
    },
    details: "Einzelheiten", topic: "Topic", place: "Ort", placed: (partition, offset) => `Partition ${partition}, Offset ${offset}`, when: "Zeit des Ereignisses", amount: "Betrag", took: "aufgenommen", planned: (span) => `${span} nach der Ankunft`,
    score: "Engagement-Wert", band: "Stufe", risk: "Abwanderung", revenue: "Umsatz", was: "vorher", is: "jetzt", by: "Änderung",
  },
};
