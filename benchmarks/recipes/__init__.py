"""Every INT8 recipe that was tried: accuracy and speed side by side."""
