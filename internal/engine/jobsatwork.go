package engine

import (
	"sync"
	"time"
)

// doneFor is how long a job that has ended here is left to River to say so in the
// database: longer than its completer tries.
const doneFor = 30 * time.Second

// atWork knows the jobs that this process works on, or has ended a moment ago.
type atWork struct {
	mu sync.Mutex
	// jobs have the number of workers that are on each; ended has when the last one
	// was done.
	jobs  map[int64]int
	ended map[int64]time.Time
}

func newAtWork() *atWork { return &atWork{jobs: map[int64]int{}, ended: map[int64]time.Time{}} }

func (a *atWork) begin(id int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.jobs[id]++
}

func (a *atWork) end(id int64, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.jobs[id]--; a.jobs[id] == 0 {
		delete(a.jobs, id)
		a.ended[id] = now
	}
}

// list returns the jobs that are this process's own at the time.
func (a *atWork) list(now time.Time) []int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]int64, 0, len(a.jobs)+len(a.ended))
	for id := range a.jobs {
		out = append(out, id)
	}
	for id, at := range a.ended {
		if now.Sub(at) > doneFor {
			delete(a.ended, id)
			continue
		}
		out = append(out, id)
	}
	return out
}
