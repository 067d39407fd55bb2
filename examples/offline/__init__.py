"""The parts of the receptionist that need no cloud: ears, a voice, and someone at the desk."""
