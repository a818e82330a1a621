package rubric

// numberTable maps 64-bit keys to numbers from 0. It is a plain open-addressing
// hash table: lookups are most of what a grading does.
type numberTable struct {
	keys []uint64
	vals []int32 // number + 1, 0 for a free slot
	size int
}

func (t *numberTable) slot(key uint64) int {
	mask := uint64(len(t.keys) - 1)
	h := key
	h ^= h >> 31
	h *= 0x9E3779B97F4A7C15
	h ^= h >> 29
	i := h & mask
	for t.vals[i] != 0 && t.keys[i] != key {
		i = (i + 1) & mask
	}
	return int(i)
}

// get returns the number of a key, or -1.
func (t *numberTable) get(key uint64) int32 {
	if t.size == 0 {
		return -1
	}
	return t.vals[t.slot(key)] - 1
}

// put sets the number of a key.
func (t *numberTable) put(key uint64, number int32) {
	if 2*(t.size+1) > len(t.keys) {
		old := *t
		n := max(16, 2*len(old.keys))
		*t = numberTable{keys: make([]uint64, n), vals: make([]int32, n), size: old.size}
		for i, v := range old.vals {
			if v != 0 {
				s := t.slot(old.keys[i])
				t.keys[s], t.vals[s] = old.keys[i], v
			}
		}
	}
	s := t.slot(key)
	if t.vals[s] == 0 {
		t.size++
	}
	t.keys[s], t.vals[s] = key, number+1
}
