"""What setup.cfg cannot express: a wheel holds the recipes and the types of ``hw1cli``, which is a module in a file."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

#: Folder of the repository -> folder of the wheel.
COPIED = {"recipes": "registry/shipped", "hw1cli-stubs": "hw1cli-stubs"}


class BuildWithData(build_py):
    """Copies these folders; an editable install reads them in place."""

    def run(self) -> None:
        super().run()
        for source, target in COPIED.items() if not self.editable_mode else ():
            for file in sorted(Path(source).glob("*.*")):
                self.mkpath(str(Path(self.build_lib, target)))
                self.copy_file(str(file), str(Path(self.build_lib, target, file.name)))


setup(cmdclass={"build_py": BuildWithData})
