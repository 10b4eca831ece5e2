"""Indexes as a backend of chat tools: HTTP, OpenAI's vector stores, MCP, Open WebUI, and a page for people."""
