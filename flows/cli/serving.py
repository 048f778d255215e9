"""Serving: the pages, MLflow and Prefect."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.terminal import settings_of_run

commands = typer.Typer()


@commands.command()
def dashboard(port: Annotated[int, typer.Option(help="Port to listen on, on this machine only.")] = 8501) -> int:
    """Open the pages for citizens, city and vendors."""
    settings = settings_of_run()
    from flows.serve import serve

    return serve(settings, {"dashboard": port})


@commands.command()
def up(
    port: Annotated[int, typer.Option(help="Port of the pages.")] = 8501,
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow.")] = 5000,
    prefect_port: Annotated[int, typer.Option(help="Port of Prefect.")] = 4200,
) -> int:
    """Serve the pages, MLflow and Prefect together."""
    settings = settings_of_run()
    from flows.serve import serve

    return serve(settings, {"dashboard": port, "mlflow": mlflow_port, "prefect": prefect_port})
