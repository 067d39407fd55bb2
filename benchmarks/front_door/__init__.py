"""How fast a bot gets on its calls, and what strangers at its door cost the callers.

The emulated Wavix here, the bot in a process of its own, and what attacks it in a third, over real
sockets. `python -m benchmarks.front_door --help`.
"""
