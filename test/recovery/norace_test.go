//go:build !race

package recovery

const every = 1
