package relational

import (
	"fmt"
	"sync"

	"github.com/unmask-eval/unmask/internal/run"
)

// promptCache remembers the packed form of prompts, since a run sends the same
// few with every sample. It saves work only; nothing depends on what is in it.
type promptCache struct {
	mu     sync.Mutex
	packed map[digest][]byte
	bytes  int
}

// promptCacheBytes bounds the cache. When it is full it starts afresh.
const promptCacheBytes = 4 << 20

func (c *promptCache) get(p prompt, pack func([]byte) []byte) []byte {
	c.mu.Lock()
	body, ok := c.packed[p.digest]
	c.mu.Unlock()
	if ok {
		return body
	}
	body = pack([]byte(p.content))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.packed == nil || c.bytes+len(body) > promptCacheBytes {
		c.packed, c.bytes = map[digest][]byte{}, 0
	}
	if len(body) <= promptCacheBytes/8 {
		if _, ok := c.packed[p.digest]; !ok {
			c.packed[p.digest] = body
			c.bytes += len(body)
		}
	}
	return body
}

// texts reads the wide part of transcripts in one snapshot. Prompts that
// several of them share are read once.
type texts struct {
	store *Store
	r     Querier
	run   int64
	known map[digest]string
}

// into unpacks a body into t.
func (x *texts) into(t *run.Transcript, body []byte) error {
	b, err := x.store.packer.unpack(body)
	if err == nil {
		err = decodeTexts(b, t, x.content)
	}
	if err != nil {
		return fmt.Errorf("texts of sample %s: %w", t.ID, err)
	}
	return nil
}

func (x *texts) content(sum digest) (string, error) {
	if s, ok := x.known[sum]; ok {
		return s, nil
	}
	var body []byte
	err := x.r.Row("SELECT body FROM prompts WHERE run = ? AND digest = ?", x.run, sum[:]).Scan(&body)
	if err != nil {
		return "", fmt.Errorf("prompt %x: %w", sum[:4], err)
	}
	b, err := x.store.packer.unpack(body)
	if err != nil {
		return "", fmt.Errorf("prompt %x: %w", sum[:4], err)
	}
	if x.known == nil {
		x.known = map[digest]string{}
	}
	x.known[sum] = string(b)
	return x.known[sum], nil
}
