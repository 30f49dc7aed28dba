"""Makes the B2B sample: a made-up software company that sells a reporting tool to other companies.

    python data/business/generate.py [FOLDER]

writes ``events.parquet``, ``profiles.parquet`` and ``accounts.parquet`` into the folder (this one, if none
is given). Nothing in it is real. Every run gives the same rows in the same order: all chance comes from one
seeded generator, and no clock is read.
"""

from __future__ import annotations

import json
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from company import (
    CAMPAIGNS,
    END,
    PRICE_PER_SEAT,
    START,
    Account,
    User,
    make_accounts,
    make_users,
    working_time,
)

SEED: Final = 20100301
NOT_SYNCED: Final = 6  # users who signed up last: they have events, but no row in the profiles table yet
VISITORS: Final = 35  # browsers that never signed in
Json = str | int | float | bool | list[str] | dict[str, str] | None
JsonObject = dict[str, Json]
REPORTS: Final = ("Cash flow", "Balance sheet", "Overdue invoices", "Sales by region", "Payroll")
TOPICS: Final = ("billing", "export", "login", "performance", "permissions")
TAGS: Final = ("bug", "how-to", "refund", "sso", "slow", "mobile")
PAGES: Final = ("Dashboard", "Reports", "Settings", "Docs", "Pricing", "Release notes")
SATISFACTION: Final = (1, 2, 3, 3, 4, 4, 4, 5, 5, 5)

Row = dict[str, str | datetime | None]


class Log:
    """The calls that the made-up company's web site, application and servers send."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.rows: list[Row] = []

    def send(
        self,
        kind: str,
        at: datetime,
        name: str | None = None,
        *,
        user: User | None = None,
        visitor: str | None = None,
        account: Account | None = None,
        properties: JsonObject | None = None,
        traits: JsonObject | None = None,
        context: JsonObject | None = None,
        source: str = "app",
    ) -> Row:
        """Adds one call, received up to six seconds later; gives its row, so that it can be made messy.

        ``name`` is the event of a track call and the name of a page call.
        """
        context = dict(context or {})
        if account is not None:
            context["groupId"] = account.id
        row: Row = {
            "message_id": f"b2b-{len(self.rows) + 1:06d}",
            "type": kind,
            "event": name if kind == "track" else None,
            "user_id": user.id if user else None,
            "anonymous_id": visitor or (user.cookie if user and source != "server" else None),
            "group_id": account.id if account and kind == "group" else None,
            "timestamp": at,
            "received_at": at + timedelta(milliseconds=self.chance.randrange(20, 6000)),
            "name": name if kind == "page" else None,
            "properties": None if properties is None else json.dumps(properties),
            "traits": None if traits is None else json.dumps(traits),
            "context": json.dumps(context) if context else None,
            "source_id": f"src_{source}",
        }
        self.rows.append(row)
        return row

    def track(
        self, at: datetime, name: str, user: User, account: Account, about: JsonObject, source: str = "app"
    ) -> Row:
        """Adds a track call of a user who works for an account; ``about`` are its properties."""
        return self.send("track", at, name, user=user, account=account, properties=about, source=source)


# ── what they do ────────────────────────────────────────────────────────────────────────────────────────────


def log_account(log: Log, account: Account) -> None:
    """The trial, the subscription, its invoices, more seats, and the end."""
    chance, owner, server = log.chance, account.users[0], "server"
    trial: JsonObject = {"plan": "team", "trial_days": 14}
    log.track(account.trial_start, "Trial Started", owner, account, trial, "web")
    if account.subscribed is None:
        return
    plan = account.plan if account.plan in PRICE_PER_SEAT else "starter"
    price = PRICE_PER_SEAT[plan]
    bought: JsonObject = {"plan": plan, "seats": account.seats, "mrr": round(account.seats * price, 2)}
    at = account.subscribed
    log.track(at, "Subscription Started", owner, account, bought, server)
    month = 0
    while (due := account.subscribed + timedelta(days=30 * month, hours=2)) < account.ends:
        at = working_time(chance, due - timedelta(days=chance.randrange(1, 9)))
        if chance.random() < 0.3 and account.subscribed < at < account.ends:
            more = chance.randrange(1, 8)
            account.seats += more
            # One of the company's servers sends numbers as text, now and then.
            added: JsonObject = {
                "seats": str(more) if chance.random() < 0.4 else more,
                "price_per_seat": price,
            }
            buyer = chance.choice([user for user in account.users if user.joined < at])
            log.track(at, "Seats Added", buyer, account, added, server)
        total = round(account.seats * price, 2)
        paid: JsonObject = {"amount": f"{total:.2f}" if chance.random() < 0.2 else total, "currency": "EUR"}
        log.track(due, "Invoice Paid", owner, account, paid, server)
        month += 1
    if account.cancelled:
        reason = chance.choice(["too expensive", "missing feature", "no longer needed", None])
        why: JsonObject = {"reason": reason}
        at = account.cancelled
        log.track(at, "Subscription Cancelled", owner, account, why, server)


def log_arrival(log: Log, user: User, *, synced: bool) -> None:
    """How a user came: invited by the owner, identified, and joined to each account by a group call."""
    account = user.accounts[0]
    if user.role != "owner":
        invited = user.joined - timedelta(hours=2, minutes=30)
        invitation: JsonObject = {"role": user.role, "email": user.email}
        log.track(invited, "User Invited", account.users[0], account, invitation)
    traits: JsonObject = {"email": user.email, "title": user.title, "role": user.role} if synced else {}
    context: JsonObject = {"campaign": {"source": user.campaign}} if user.campaign else {}
    log.send("identify", user.joined, user=user, traits=traits, context=context, source="web")
    method: JsonObject = {"method": log.chance.choice(["password", "google", "sso"])}
    at = user.joined + timedelta(seconds=1)
    log.send("track", at, "Signed Up", user=user, properties=method, context=context, source="web")
    for joined in user.accounts:
        about: JsonObject = {"name": joined.name, "industry": joined.industry}
        at = user.joined_account(joined) + timedelta(seconds=2)
        if at < END:
            log.send("group", at, user=user, account=joined, traits=about)


def log_sessions(log: Log, user: User) -> None:
    """Everything a user does from joining to quitting (or the end of the sample)."""
    chance = log.chance
    at = user.joined + timedelta(minutes=4)
    while at < min(user.quits, END - timedelta(hours=5)):
        joined = [account for account in user.accounts if user.joined_account(account) <= at]
        log_session(log, user, chance.choice(joined), at)
        at = working_time(chance, at + timedelta(days=1 + chance.expovariate(user.sessions_per_day)))


def log_session(log: Log, user: User, account: Account, at: datetime) -> None:
    """One visit: a login, pages, exports, now and then a support ticket."""
    chance = log.chance
    source = "staging" if chance.random() < 0.02 else "app"
    login: JsonObject = {"method": chance.choice(["password", "password", "google", "sso"])}
    log.track(at, "User Logged In", user, account, login, source)
    for _ in range(chance.choice([0, 1, 1, 2, 3])):
        at += timedelta(seconds=chance.randrange(5, 400))
        page = chance.choice(PAGES)
        path = "/" + page.lower().replace(" ", "-")
        shown: JsonObject = {"path": path, "title": page}
        seen: JsonObject = {"page": {"path": path}}
        log.send("page", at, page, user=user, account=account, properties=shown, context=seen, source=source)
    for _ in range(chance.choice([0, 0, 1, 1, 2])):
        at += timedelta(seconds=chance.randrange(20, 900))
        rows = int(chance.lognormvariate(6, 1.3)) + 1
        export: JsonObject = {
            "report": chance.choice(REPORTS),
            "format": chance.choice(["pdf", "pdf", "xlsx", "csv"]),
            "rows": str(rows) if chance.random() < 0.1 else rows,
            "duration_seconds": round(chance.lognormvariate(0.5, 0.8), 3),
        }
        log.track(at, "Report Exported", user, account, export, source)
    if chance.random() < 0.07:
        log_ticket(log, user, account, at + timedelta(minutes=3))


def log_ticket(log: Log, user: User, account: Account, at: datetime) -> None:
    """A support ticket, closed within four days; not everybody says how content they are."""
    chance = log.chance
    ticket = f"T-{chance.randrange(10_000, 99_999)}"
    opened: JsonObject = {
        "ticket_id": ticket,
        "priority": chance.choice(["low", "normal", "normal", "high", "urgent"]),
        "topic": chance.choice(TOPICS),
        "tags": sorted(chance.sample(TAGS, chance.choice([0, 1, 1, 2, 3]))),
    }
    log.track(at, "Support Ticket Opened", user, account, opened, "server")
    closed = at + timedelta(minutes=chance.randrange(30, 5760))
    if closed < END:
        satisfaction = chance.choice(SATISFACTION) if chance.random() < 0.7 else None
        answer: JsonObject = {"ticket_id": ticket, "satisfaction": satisfaction}
        log.track(closed, "Support Ticket Closed", user, account, answer, "server")


def log_visitors(log: Log) -> None:
    """People who look at the web site and never sign in."""
    chance = log.chance
    for number in range(VISITORS):
        at = working_time(chance, END - timedelta(days=chance.randrange(2, 120)))
        came_by: JsonObject = {"campaign": {"source": chance.choice(CAMPAIGNS)}}
        for page in chance.choices(["Home", "Pricing", "Pricing", "Docs", "Customers"], k=chance.randrange(1, 8)):
            shown: JsonObject = {"path": f"/{page.lower()}", "title": page}
            visitor = f"anon-visitor-{number + 1:02d}"
            log.send("page", at, page, visitor=visitor, properties=shown, context=came_by, source="web")
            at += timedelta(seconds=chance.randrange(3, 240))


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────────────


def make_messy(log: Log, users: list[User]) -> None:
    """Adds what real tables have: copies, rows that can't be used, wrong clocks, a shared browser."""
    log.rows.extend(copies(log))
    a_day = datetime(2010, 11, 17, 10, 0, tzinfo=UTC)
    account = users[0].accounts[0]
    login: JsonObject = {"method": "password"}
    for user in users[:9]:
        log.track(a_day, "User Logged In", user, account, login)["timestamp"] = None
    for _ in range(6):
        log.send("page", a_day, "Pricing", properties={"path": "/pricing"}, source="web")
    for user in users[:3]:
        log.send("track", a_day, user=user, properties=login)  # no event name
    before_1970 = datetime(1969, 12, 31, 23, 0, tzinfo=UTC)
    for user in users[:2]:
        log.send("group", a_day, user=user, traits={"name": "nobody"})["group_id"] = ""
        log.send("track", a_day, "Report Exported", user=user, account=account)["properties"] = '["pdf", 120]'
        log.track(before_1970, "User Logged In", user, account, login)
    for number, user in enumerate(users[10:14]):  # clocks that are ahead
        ahead = END + timedelta(days=30 * number, hours=3)
        log.track(ahead, "User Logged In", user, account, login)
    for minute in range(3):  # a browser in a meeting room that two profiles hold
        at = a_day + timedelta(minutes=minute)
        log.send("page", at, "Docs", visitor="anon-meeting-room", properties={"path": "/docs"}, source="web")


def copies(log: Log) -> list[Row]:
    """Calls sent again by a client that saw no answer: another time of receipt, the same message id."""
    chance = log.chance
    result: list[Row] = []
    for row in chance.sample([row for row in log.rows if row["type"] == "track"], 60):
        sent = row["timestamp"]
        if isinstance(sent, datetime):
            result.append({**row, "received_at": sent + timedelta(minutes=chance.randrange(1, 4000))})
    for copy in result[:8]:  # some differ: the copy that was received first counts
        copy["properties"] = json.dumps({"rows": 1_000_000, "seats": 1_000, "method": "copy", "format": "copy"})
    for copy in result[8:12]:  # without a time of receipt it comes last
        copy["received_at"] = None
    for copy in result[12:15]:  # received first, but without a timestamp: it is rejected, so the other one counts
        copy.update(timestamp=None, received_at=START)
    return result


# ── the tables ──────────────────────────────────────────────────────────────────────────────────────────────

TIME: Final = pl.Datetime("us", "UTC")
EVENT_COLUMNS: Final[dict[str, pl.DataType]] = {
    "message_id": pl.String(),
    "type": pl.String(),
    "event": pl.String(),
    "user_id": pl.String(),
    "anonymous_id": pl.String(),
    "group_id": pl.String(),
    "timestamp": TIME,
    "received_at": TIME,
    "name": pl.String(),
    "properties": pl.String(),
    "traits": pl.String(),
    "context": pl.String(),
    "source_id": pl.String(),
}
IDENTIFIER: Final = pl.Struct({"type": pl.String(), "value": pl.String(), "created_at": TIME})


def events_table(rows: list[Row]) -> pl.DataFrame:
    """The events in the order in which they came in; those without a time of receipt come last."""
    frame = pl.DataFrame(rows, schema=EVENT_COLUMNS)
    return frame.sort("received_at", "message_id", nulls_last=True, maintain_order=True)


def profiles_table(chance: random.Random, users: list[User]) -> pl.DataFrame:
    """One row a user, but for those who signed up last."""
    rows = []
    for user in users:
        account = user.accounts[0]
        traits: JsonObject = {
            "first_name": user.first_name,
            "last_name": user.last_name,
            "title": user.title,
            "role": user.role,
            "created_at": user.joined.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "address": {"country": chance.choice(["DE", "FR", "NL", "GB", "ES", "PL"])},
            "unsubscribed": chance.random() < 0.12,
        }
        if chance.random() < 0.9:  # a score that another system gives, now as a number, now as text
            score = chance.randrange(0, 101)
            traits["lead_score"] = str(score) if chance.random() < 0.25 else score
        if account.plan == "trial" and user.role in ("owner", "admin"):
            traits["trial_ends_at"] = (account.trial_start + timedelta(days=14)).strftime("%Y-%m-%dT%H:%M:%SZ")
        identifiers = [("user_id", user.id), ("email", user.email)]
        if user.cookie:
            identifiers.append(("anonymous_id", user.cookie))
        if user.number in (3, 70):
            identifiers.append(("anonymous_id", "anon-meeting-room"))
        if user in users[1].accounts[0].users[:3]:  # a department's mailbox
            identifiers.append(("email", f"office@{account.domain}"))
        rows.append(
            {
                "profile_id": f"prof_{user.id}",
                "traits": json.dumps(traits),
                "external_ids": [
                    {"type": kind, "value": value, "created_at": user.joined + timedelta(seconds=number)}
                    for number, (kind, value) in enumerate(identifiers)
                ],
                "account_ids": [account.id for account in user.accounts],
                "joined": user.joined,
            }
        )
    latest = sorted((row["joined"], row["profile_id"]) for row in rows)[-NOT_SYNCED:]
    schema = {
        "profile_id": pl.String(),
        "traits": pl.String(),
        "external_ids": pl.List(IDENTIFIER),
        "account_ids": pl.List(pl.String()),
    }
    missing = {profile for _, profile in latest}
    return pl.DataFrame([row for row in rows if row["profile_id"] not in missing], schema=schema).sort("profile_id")


def accounts_table(accounts: list[Account]) -> pl.DataFrame:
    """One row an account."""
    rows = []
    for account in accounts:
        price = PRICE_PER_SEAT.get(account.plan, 0.0)
        traits: JsonObject = {
            "name": account.name,
            "plan": account.plan,
            "industry": account.industry,
            "seats": account.seats,
            "mrr": round(account.seats * price, 2),
            "created_at": account.trial_start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if account.plan == "trial":
            traits["trial_ends_at"] = (account.trial_start + timedelta(days=14)).strftime("%Y-%m-%dT%H:%M:%SZ")
        rows.append({"account_id": account.id, "traits": json.dumps(traits)})
    return pl.DataFrame(rows, schema={"account_id": pl.String(), "traits": pl.String()})


def generate() -> dict[str, pl.DataFrame]:
    """The three tables by file name, without ``.parquet``."""
    chance = random.Random(SEED)
    accounts = make_accounts(chance)
    users = make_users(chance, accounts)
    latest = {user.number for user in sorted(users, key=lambda user: (user.joined, user.id))[-NOT_SYNCED:]}
    log = Log(chance)
    for account in accounts:
        log_account(log, account)
    for user in users:
        log_arrival(log, user, synced=user.number not in latest)
        log_sessions(log, user)
    log_visitors(log)
    make_messy(log, users)
    return {
        "events": events_table(log.rows),
        "profiles": profiles_table(chance, users),
        "accounts": accounts_table(accounts),
    }


def main() -> None:
    """Writes the tables and prints what was written."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in generate().items():
        path = folder / f"{name}.parquet"
        frame.write_parquet(path, compression="zstd")
        print(f"{path}: {frame.height:,} rows")


if __name__ == "__main__":
    main()
