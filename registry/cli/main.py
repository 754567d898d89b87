"""The command line: each command is a module of ``commands``."""

from __future__ import annotations

import click

from .commands import (
    bench,
    compare,
    data,
    describe,
    doctor,
    evaluate,
    export,
    list,
    plugin,
    predict,
    recipes,
    report,
    run,
    schema,
    sweep,
)
from .errors import DEBUG, CommandGroup


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True},
)
@click.option("--debug", is_flag=True, help=DEBUG)
@click.version_option(package_name="hw1cli", prog_name="hw1cli")
def main(debug: bool) -> None:
    """Train vision models from YAML recipes, with components from any installed plugin.

    \b
    Examples:
      hw1cli run recipes/seg_deeplab_focal.yaml --demo
      hw1cli run my.yaml --set trainer.epochs=20 --set model.backbone=timm/convnext_tiny
      hw1cli list backbones 'timm/*v2*'
      hw1cli describe smp/deeplabv3
    """


for command in (
    run.run,
    run.check,
    sweep.sweep,
    evaluate.evaluate,
    predict.predict,
    export.export,
    compare.compare,
    report.board,
    report.report,
    bench.bench,
    list.list_,
    describe.describe,
    data.data,
    recipes.recipes,
    plugin.plugin,
    doctor.doctor,
    schema.schema,
    schema.completion,
):
    main.add_command(command)
