package main

import (
	"os"
	"strconv"
)

var weightA = func() float64 {
	if v, err := strconv.ParseFloat(os.Getenv("WA"), 64); err == nil {
		return v
	}
	return 0.7
}()
