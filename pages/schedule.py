"""Schedule: what is due, was it on time?"""
