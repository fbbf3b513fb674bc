"""The Worksection API: typed answers, named errors, signed and paced requests, streamed files."""
