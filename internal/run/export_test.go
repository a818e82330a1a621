package run

// CalibrationFor is what gates ask for a grader.
var CalibrationFor = (*Service).calibrationFor
