"""`ringpost apply FILE`: make one company's stored account as its file says."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from deploy.local.cluster_file import environment
from ringpost.operator_desk import Force, open_vault, operator, put_in_force
from ringpost.stores_of import open_postgres
from shared.domain.account.reading import read_account
from shared.domain.account.steps import Noun, Step
from shared.domain.phone import mask
from shared.stores.account.applying import AccountError, Applied, Order, apply_account, plan_account
from shared.stores.account.bid_templates import load_bid_templates
from shared.stores.account.file import read_file
from shared.stores.account.saving import CreatedKey


class ApplyReport(Struct, frozen=True, kw_only=True):
    """What an apply did. Tokens and the api_key are those that were drawn: they are told here and nowhere else."""

    company: str
    applied: Applied
    force: Force = Force()

    @property
    def changed(self) -> bool:
        """Whether anything was, or would be, changed."""
        return bool(self.applied.steps)

    @property
    def created_tokens(self) -> dict[str, str]:
        """The drawn tokens by their keys' names; where a name is not alone, its entity stands behind it."""
        drawn = [each for each in self.applied.created if not each.imported]
        return {_told(each, drawn): each.made.token.reveal() for each in drawn}

    @property
    def created_secrets(self) -> dict[str, str]:
        """The secrets of new caller-list keys, by the same names."""
        made = self.applied.created
        return {_told(each, made): each.made.secret.reveal() for each in made if each.made.secret}

    @property
    def api_key(self) -> str:
        """The management key of a new company; empty when none was drawn."""
        return self.applied.api_key.reveal() if self.applied.api_key else ""


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--plan", is_flag=True, help="Only print what would change.")
@click.option(
    "--prune", is_flag=True, help="Delete what the file lacks; keys for good, lists only when empty."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def apply(file: Path, *, plan: bool, prune: bool, as_json: bool) -> None:
    """Make the stored account as FILE (YAML or JSON) says, whole or not at all.

    Generated tokens are printed once. Exit codes: 0 done and in force (or planned), 1 refused, nothing
    applied, 3 saved, but in force only when Redis is back.
    """
    try:
        report = apply_file(file, environment(), plan=plan, prune=prune)
    except AccountError as refused:
        _tell_problems(refused, as_json)
        sys.exit(1)
    click.echo(json.dumps(_as_json(report, plan)) if as_json else "\n".join(_lines(report, plan)))
    if report.force.note:
        click.echo(report.force.note, err=True)
    sys.exit(report.force.exit_code)


def apply_file(
    path: Path, environ: Mapping[str, str], *, plan: bool = False, prune: bool = False
) -> ApplyReport:
    """Apply an account file, or only plan it.

    Errors: AccountError with every problem; OperatorError when the file or Postgres cannot be read.
    """
    return asyncio.run(_apply(path, environ, plan=plan, prune=prune))


async def _apply(path: Path, environ: Mapping[str, str], *, plan: bool, prune: bool) -> ApplyReport:
    account, problems = read_account(read_file(path), load_bid_templates())
    order = Order(account=account, problems=tuple(problems), source=str(path), actor=operator(), prune=prune)
    name = account.company.name
    vault = open_vault(environ)
    async with open_postgres(environ) as postgres:
        if plan:
            return ApplyReport(company=name, applied=await plan_account(postgres, vault, order=order))
        applied = await apply_account(postgres, vault, order=order)
        force = await put_in_force(environ, postgres, company_id=applied.company_id)
        return ApplyReport(company=name, applied=applied, force=force)


def _told(key: CreatedKey, among: "tuple[CreatedKey, ...] | list[CreatedKey]") -> str:
    alone = sum(each.name == key.name for each in among) == 1
    return key.name if alone else f"{key.name} ({' '.join(key.home)})"


def _lines(report: ApplyReport, plan: bool) -> list[str]:
    steps = report.applied.steps
    if not steps:
        return [f"{report.company}: no change"]
    counts = {
        action: sum(step.action == action for step in steps) for action in ("create", "update", "delete")
    }
    words = ("to create", "to update", "to delete") if plan else ("created", "updated", "deleted")
    said = ", ".join(f"{count} {word}" for count, word in zip(counts.values(), words, strict=True))
    lines = [*(step.line() for step in steps), f"{report.company}: {said}"]
    if report.api_key:
        lines.append(f"api_key of the company (shown once): {report.api_key}")
    lines += [f"token of {name} (shown once): {token}" for name, token in report.created_tokens.items()]
    return lines


def _as_json(report: ApplyReport, plan: bool) -> dict[str, Any]:
    return {
        "company": report.company,
        "applied": not plan,
        "changes": [_change(step) for step in report.applied.steps],
        "created_tokens": report.created_tokens,
        "created_secrets": report.created_secrets,
        "api_key": report.api_key,
        "in_force": report.force.now and not plan,
        "note": report.force.note,
    }


def _change(step: Step) -> dict[str, Any]:
    name = mask(step.name) if step.noun is Noun.NUMBER else step.name
    return {
        "action": step.action,
        "entity": step.noun,
        "name": name,
        "in": list(step.home),
        "details": list(step.details),
    }


def _tell_problems(refused: AccountError, as_json: bool) -> None:
    if as_json:
        problems = [{"path": each.path, "text": each.text} for each in refused.problems]
        click.echo(json.dumps({"applied": False, "problems": problems}))
        return
    click.echo(refused.text, err=True)
    count = len(refused.problems)
    click.echo(f"{count} problem{'s' if count > 1 else ''}; nothing was applied", err=True)
