package stats

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
)

// blockDraws is the number of resamples that share a generator.
const blockDraws = 500

// resample splits total resamples into blocks and calls draw for each, on at
// most GOMAXPROCS goroutines, all of which have ended when it returns. A block
// has a generator of its own, made from the seed, the purpose and the place of
// the block, so that results depend on neither the number of goroutines nor
// their order. draw must write to nothing but its block.
func resample(total int, seed, purpose uint64, draw func(from, to int, random *rand.Rand)) {
	blocks := (total + blockDraws - 1) / blockDraws
	var next atomic.Int64
	work := func() {
		for {
			b := int(next.Add(1)) - 1
			if b >= blocks {
				return
			}
			// Odd multiples of a large odd number keep the states far apart.
			place := purpose ^ uint64(2*b+1)*0x9e3779b97f4a7c15
			random := rand.New(rand.NewPCG(seed, place)) // #nosec G404 -- resampling is seeded to be reproducible
			draw(b*blockDraws, min((b+1)*blockDraws, total), random)
		}
	}
	helpers := min(runtime.GOMAXPROCS(0), blocks) - 1
	var all sync.WaitGroup
	for range helpers {
		all.Go(work)
	}
	work()
	all.Wait()
}
