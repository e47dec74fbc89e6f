"""One notebook: its cells, live, in order, and what changes them."""

from cells import controls
from cells.show import end
from data_sources.errors import BadParameter, SourceError
from notebooks.editing.show import editor_here, show_notebook
from notebooks.error import NotebookError

try:
    editor = editor_here()
except (NotebookError, BadParameter, SourceError) as error:
    controls.notice(f"This notebook cannot be opened. {error}")
    end()

show_notebook(editor)
