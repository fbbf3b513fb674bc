"""A Worksection account as a drive: projects and tasks are directories, attachments are files."""

__version__ = "0.1.0"
