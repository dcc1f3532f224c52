"""Checks of predicted structures, by whatever is known of the molecules; none of them needs the device."""
