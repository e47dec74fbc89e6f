"""Workers asked and judged: remote control on the wire, what they answer, and what to make of it."""
