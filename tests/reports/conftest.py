"""Snapshots of reports lie in files of their own format, to be read as a user reads them."""

from __future__ import annotations

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode


class MarkdownFile(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT
    file_extension = "md"


class TextFile(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT
    file_extension = "txt"


class JsonFile(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT
    file_extension = "json"


class SarifFile(JsonFile):
    file_extension = "sarif"


class XmlFile(TextFile):
    file_extension = "xml"


class HtmlFile(TextFile):
    file_extension = "html"


@pytest.fixture
def markdown_file(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(MarkdownFile)


@pytest.fixture
def text_file(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(TextFile)


@pytest.fixture
def json_file(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(JsonFile)


@pytest.fixture
def sarif_file(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(SarifFile)


@pytest.fixture
def xml_file(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(XmlFile)


@pytest.fixture
def html_file(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(HtmlFile)
