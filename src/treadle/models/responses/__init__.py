"""The Responses API: the dialect of OpenAI's newer endpoint, and of servers of Open Responses."""
