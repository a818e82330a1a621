package documents

// The limits of a facts file. They bound what a hostile one can cost.
const (
	// MaxFileBytes is its size.
	MaxFileBytes = 1 << 20
	// MaxFacts is how many facts, and how many groups, it may have.
	MaxFacts = 100
	// MaxItems bounds the statements and questions of a fact, the phrases of a
	// term, the claims of a fact and the terms of a claim.
	MaxItems = 200
	// MaxTextBytes is the size of one text.
	MaxTextBytes = 2 << 10
	// MaxVariants is how many texts the alternatives of one statement may give;
	// every one of them is checked.
	MaxVariants = 512
	// MaxAllVariants bounds them over the file.
	MaxAllVariants = 20_000
	// MaxProblems is how many problems a LoadError lists.
	MaxProblems = 100
	// MaxWeight bounds a fact's weight.
	MaxWeight = 10
	// MaxDocumentBytes is the size of a draft that is looked at; larger ones are
	// turned down unread.
	MaxDocumentBytes = 64 << 10
	// MaxCount is how many documents a corpus may have.
	MaxCount = 250_000
	// MaxAttempts bounds the drafts of one document.
	MaxAttempts = 20
)
