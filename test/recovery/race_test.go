//go:build race

package recovery

// every is which models of the table are run, one in so many: the
// race detector makes runs several times slower, and looks at the same code in each.
const every = 6
