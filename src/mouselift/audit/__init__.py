"""Does a dataset's geometry hold, without ground truth?"""
