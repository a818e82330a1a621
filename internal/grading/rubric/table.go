package rubric

// numberTable maps 64-bit keys to numbers from 0. It is a plain open-addressing
// hash table: lookups are most of what a grading does.
type numberTable struct {
	slots []numberSlot
	size  int
}

type numberSlot struct {
	key uint64
	val int32 // number + 1, 0 for a free slot
}

func (t *numberTable) slot(key uint64) *numberSlot {
	mask := uint64(len(t.slots) - 1)
	h := key
	h ^= h >> 31
	h *= 0x9E3779B97F4A7C15
	h ^= h >> 29
	i := h & mask
	for t.slots[i].val != 0 && t.slots[i].key != key {
		i = (i + 1) & mask
	}
	return &t.slots[i]
}

// get returns the number of a key, or -1.
func (t *numberTable) get(key uint64) int32 {
	if t.size == 0 {
		return -1
	}
	return t.slot(key).val - 1
}

// put sets the number of a key.
func (t *numberTable) put(key uint64, number int32) {
	if 2*(t.size+1) > len(t.slots) {
		old := t.slots
		t.slots = make([]numberSlot, max(16, 2*len(old)))
		for _, s := range old {
			if s.val != 0 {
				*t.slot(s.key) = s
			}
		}
	}
	s := t.slot(key)
	if s.val == 0 {
		t.size++
	}
	*s = numberSlot{key, number + 1}
}
