package judge

import (
	"container/list"
	"sync"
)

// Key is the digest of everything that a vote depends on: the grader, the
// question, the texts that it is shown, and the vote's number.
type Key [32]byte

// Cache remembers votes that could be read, so that a judgement that is asked
// for again costs nothing and comes out alike. Both methods are safe for
// concurrent use; a cache may forget at any time. Ballots quote transcripts, so
// a cache that outlives the process has to be guarded as transcripts are.
type Cache interface {
	Get(key Key) (Ballot, bool)
	Put(key Key, b Ballot)
}

// DefaultCacheEntries bounds the votes that are remembered. One takes a few
// hundred bytes, and never more than maxRemembered.
const DefaultCacheEntries = 20_000

// maxRemembered is the largest ballot that is remembered, in bytes of its quotes.
const maxRemembered = 8 << 10

// size is the size of a ballot's quotes.
func (b Ballot) size() int {
	n := 0
	for _, f := range b.Findings {
		n += len(f.Quote)
	}
	return n
}

// LRU is a Cache in memory that forgets what was not used for longest.
type LRU struct {
	mu      sync.Mutex
	most    int
	order   *list.List
	entries map[Key]*list.Element
}

type entry struct {
	key    Key
	ballot Ballot
}

// NewLRU returns a cache of at most so many entries; fewer than 1 remember nothing.
func NewLRU(most int) *LRU {
	return &LRU{most: most, order: list.New(), entries: map[Key]*list.Element{}}
}

// Get implements Cache.
func (c *LRU) Get(key Key) (Ballot, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if !ok {
		return Ballot{}, false
	}
	c.order.MoveToFront(e)
	kept, _ := e.Value.(entry)
	return kept.ballot, true
}

// Put implements Cache.
func (c *LRU) Put(key Key, b Ballot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[key]; ok {
		e.Value = entry{key, b}
		c.order.MoveToFront(e)
		return
	}
	c.entries[key] = c.order.PushFront(entry{key, b})
	for len(c.entries) > max(c.most, 0) {
		last := c.order.Back()
		kept, _ := c.order.Remove(last).(entry)
		delete(c.entries, kept.key)
	}
}
