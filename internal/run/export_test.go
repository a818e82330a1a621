package run

// CalibrationFor is what GetGrader shows of a grader.
var CalibrationFor = (*Service).currentCalibration
