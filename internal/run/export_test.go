package run

// CalibrationFor is what GetGrader shows of a grader.
var CalibrationFor = (*Service).currentCalibration

// JudgedBehaviors is what a sample keeps of a verdict's behaviours.
var JudgedBehaviors = judgedBehaviors
