package corpus

import "errors"

// errHeld is what tryLock returns when another process has the lock. The operating
// system releases it when that process ends, however it ends.
var errHeld = errors.New("held by another process")
