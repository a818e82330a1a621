package run

import "sync"

// slots bound the samples of a run that are in flight in this process. A shard
// brings its own and takes as many away, and in between all shards of the run here
// share them: one that waits for its last replies leaves its places to the others.
type slots struct {
	// free has a token for each sample that may begin.
	free chan struct{}
	// paid gets one for each slot that is owed and has been taken away.
	paid chan struct{}

	mu sync.Mutex
	// owed are to be taken away as samples finish, before another may begin: until
	// a shard has all of its slots back, those that it has are idle.
	owed int
}

func newSlots() *slots {
	// Twice the most: nobody ever waits to give one.
	return &slots{free: make(chan struct{}, 2*MaxConcurrency), paid: make(chan struct{}, 2*MaxConcurrency)}
}

// bring adds n slots.
func (s *slots) bring(n int) {
	for range n {
		s.free <- struct{}{}
	}
}

// done gives the slot of a sample back that has finished.
func (s *slots) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owed > 0 {
		s.owed--
		s.paid <- struct{}{}
		return
	}
	s.free <- struct{}{}
}

// take takes n slots away, and returns when no sample uses them any more.
func (s *slots) take(n int) {
	s.mu.Lock()
	for n > 0 && len(s.free) > 0 {
		select {
		case <-s.free:
			n--
		default:
		}
	}
	s.owed += n
	s.mu.Unlock()
	for range n {
		<-s.paid
	}
}
