"""The made-up company's customers: accounts, and the people who work for them."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

START: Final = datetime(2010, 3, 1, tzinfo=UTC)
END: Final = datetime(2010, 12, 10, tzinfo=UTC)
ACCOUNTS: Final = 40
USERS: Final = 400
CONSULTANTS: Final = 12  # users of two accounts
FIRST_NAMES: Final = (
    "Ada Amir Anna Ben Carla Chen Dana David Elif Emma Farid Fiona George Grace Hana Hugo Ines Ivan Jana "
    "Jonas Kofi Lara Leo Lina Marco Maya Mina Nadia Noah Nora Olga Omar Paula Pedro Rosa Ruth Sami Sara Vera"
).split()
LAST_NAMES: Final = (
    "Abel Baker Costa Diaz Evans Fischer Garcia Haas Ito Jansen Khan Lopez Meyer Novak Okoye Park Quist "
    "Rossi Silva Turner Ueda Vogel Weber Xu Young Zeller"
).split()
COMPANY_FIRST: Final = "Amber Birch Cobalt Delta Ember Fern Granite Harbour Indigo Juniper".split()
COMPANY_SECOND: Final = "Foods Freight Health Labs".split()
INDUSTRIES: Final = ("retail", "logistics", "health", "software", "education", "manufacturing")
TITLES: Final = (
    "Analyst,Controller,Head of Finance,Finance Director,Operations Manager,Chief Financial Officer,"
    "Accountant,Assistant"
).split(",")
PRICE_PER_SEAT: Final = {"starter": 9.5, "team": 19.9, "business": 34.25}
CAMPAIGNS: Final = ("newsletter", "search", "partner", "trade fair")


@dataclass(eq=False)
class Account:
    """A customer: a company that started a trial, and perhaps subscribed."""

    id: str
    name: str
    industry: str
    trial_start: datetime
    plan: str  # the plan it has at the end: "trial", "expired", or one that is sold
    subscribed: datetime | None = None
    cancelled: datetime | None = None
    seats: int = 0
    users: list[User] = field(default_factory=list)

    @property
    def ends(self) -> datetime:
        """When nobody uses it any more: cancelled, or the trial of 14 days ran out without a subscription."""
        if self.subscribed is None:
            return min(self.trial_start + timedelta(days=14), END)
        return self.cancelled or END

    @property
    def domain(self) -> str:
        """The company's e-mail domain; ``.example`` belongs to nobody."""
        return self.name.lower().replace(" ", "-") + ".example"


@dataclass(eq=False)
class User:
    """A person with an account of their own at the made-up company."""

    number: int
    first_name: str
    last_name: str
    title: str
    role: str
    accounts: list[Account]
    joined: datetime  # the first account; a second one 20 days after that or after its trial began
    cookie: str | None  # the anonymous_id of the browser
    campaign: str | None
    sessions_per_day: float
    quits: datetime

    @property
    def id(self) -> str:
        """The user_id."""
        return f"u{1000 + self.number}"

    @property
    def email(self) -> str:
        """The e-mail address, unique."""
        return f"{self.first_name}.{self.last_name}{self.number}@{self.accounts[0].domain}".lower()

    def joined_account(self, account: Account) -> datetime:
        """When the user joined an account."""
        if account is self.accounts[0]:
            return self.joined
        return max(self.joined, account.trial_start) + timedelta(days=20)


def make_accounts(chance: random.Random) -> list[Account]:
    """All accounts, with how their trials ended. A trial takes 14 days."""
    names = [f"{first} {second}" for first in COMPANY_FIRST for second in COMPANY_SECOND]
    chance.shuffle(names)
    accounts = []
    for number in range(ACCOUNTS):
        # More trials in the last weeks than before: something must be going on at the as-of date.
        day = chance.randrange(268, 281) if number % 5 == 4 else chance.randrange(0, 258)
        account = Account(
            id=f"acc_{number + 1:02d}",
            name=names[number],
            industry=chance.choice(INDUSTRIES),
            trial_start=working_time(chance, START + timedelta(days=day)),
            plan="trial",
        )
        decision = account.trial_start + timedelta(days=chance.randrange(4, 15), hours=1)
        if decision < END and chance.random() < 0.75:
            account.plan = chance.choice(["starter", "team", "team", "business"])
            account.subscribed = decision
            if chance.random() < 0.3 and decision + timedelta(days=60) < END:
                account.cancelled = working_time(chance, decision + timedelta(days=chance.randrange(30, 60)))
                account.plan = "expired"
        elif account.trial_start + timedelta(days=14) < END:
            account.plan = "expired"
        accounts.append(account)
    return accounts


def make_users(chance: random.Random, accounts: list[Account]) -> list[User]:
    """All users: the owner of each account starts its trial, the others are invited."""
    users = []
    for number in range(USERS):
        account = accounts[number] if number < len(accounts) else chance.choice(accounts)
        role = "owner" if number < len(accounts) else chance.choice(["admin", "member", "member", "member", "viewer"])
        joined = account.trial_start
        if role != "owner":
            share = min(chance.expovariate(4), 0.9)  # of the time that the account is used
            joined = working_time(chance, joined + share * (account.ends - account.trial_start))
            joined = max(joined, account.trial_start + timedelta(hours=3, seconds=number))
        quits = END if chance.random() < 0.65 else joined + timedelta(days=chance.expovariate(1 / 60))
        user = User(
            number=number,
            first_name=chance.choice(FIRST_NAMES),
            last_name=chance.choice(LAST_NAMES),
            title=chance.choice(TITLES),
            role=role,
            accounts=[account],
            joined=joined,
            cookie=f"anon-{chance.getrandbits(48):012x}" if chance.random() < 0.8 else None,
            campaign=chance.choice(CAMPAIGNS) if chance.random() < 0.5 else None,
            sessions_per_day=chance.choice([0.5, 0.2, 0.15, 0.1, 0.07, 0.03]),
            quits=min(quits, account.ends),
        )
        account.users.append(user)
        users.append(user)
    for user in chance.sample(users[ACCOUNTS:], CONSULTANTS):
        others = [account for account in accounts if account.ends == END and account is not user.accounts[0]]
        second = chance.choice([other for other in others if other.trial_start < END - timedelta(days=25)])
        user.accounts.append(second)
        second.users.append(user)
    for account in accounts:
        account.seats = max(3, math.ceil(len(account.users) * 0.8))
    return users


def working_time(chance: random.Random, day: datetime) -> datetime:
    """An instant between 7:00 and 18:59 UTC of the day, or of the Monday after a day at a weekend."""
    day += timedelta(days=7 - day.weekday() if day.weekday() > 4 else 0)
    morning = day.replace(hour=7, minute=0, second=0, microsecond=0)
    return morning + timedelta(milliseconds=chance.randrange(12 * 3600 * 1000))
