"""The Gemini generateContent dialect, as the Gemini API and Vertex AI speak it."""
