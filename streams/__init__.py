"""Real-time customer engagement: live scores and churn-risk alerts from event streams."""

__version__ = "0.1.0"
