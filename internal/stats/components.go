package stats

import "math"

// VarianceComponents split the variance of a table of one value for each variant
// of a prompt and each query: d[i][j] = mean + variant i + query j + residual.
type VarianceComponents struct {
	// Variants and Queries count the rows and the columns of the table.
	Variants, Queries int
	// Mean is the mean of the table.
	Mean float64
	// BetweenVariants is the variance of the variants' effects, BetweenQueries
	// that of the queries'. A negative estimate is reported as 0 and says that
	// the effect is not larger than what chance alone would show.
	BetweenVariants, BetweenQueries float64
	// Residual is what is left: the interaction of variant and query, and the
	// chance of a finite number of samples. The table cannot tell them apart.
	Residual float64
	// MeanSquareVariants, MeanSquareQueries and MeanSquareResidual are the mean
	// squares that the components follow from.
	MeanSquareVariants, MeanSquareQueries, MeanSquareResidual float64
}

// EstimateVarianceComponents estimates the components of a complete table,
// values[variant][query], by the analysis of variance of the crossed two-way
// layout with one value a cell and random effects (method of moments; Searle,
// Casella & McCulloch 1992, Variance Components, chapter 4). With a variants, b
// queries and means m(i.), m(.j), m(..):
//
//	MSV = b sum_i (m(i.) - m(..))^2 / (a-1)
//	MSQ = a sum_j (m(.j) - m(..))^2 / (b-1)
//	MSE = sum_ij (d(ij) - m(i.) - m(.j) + m(..))^2 / ((a-1)(b-1))
//	between variants = (MSV - MSE)/b, between queries = (MSQ - MSE)/a, residual = MSE
//
// No distribution is assumed. Each of the first two is unbiased before it is cut
// at 0, and imprecise with few variants: (a-1) degrees of freedom are all that
// there are. The error is an *InputError for fewer than two rows or columns, rows
// of different length, or a value that is not finite.
func EstimateVarianceComponents(values [][]float64) (VarianceComponents, error) {
	a := len(values)
	if a < 2 {
		return VarianceComponents{}, badInput("values", "needs at least 2 variants, got %d", a)
	}
	b := len(values[0])
	if b < 2 {
		return VarianceComponents{}, badInput("values", "needs at least 2 queries, got %d", b)
	}
	rows, columns := make([]float64, a), make([]float64, b)
	for i, row := range values {
		if len(row) != b {
			return VarianceComponents{}, badInput("values", "variant %d has %d queries where the first has %d", i, len(row), b)
		}
		for j, v := range row {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return VarianceComponents{}, badInput("values", "variant %d has a value that is not finite", i)
			}
			rows[i] += v / float64(b)
			columns[j] += v / float64(a)
		}
	}
	mean, varianceOfRows := meanVariance(rows)
	_, varianceOfColumns := meanVariance(columns)
	residual := 0.0
	for i, row := range values {
		for j, v := range row {
			d := v - rows[i] - columns[j] + mean
			residual += d * d
		}
	}
	out := VarianceComponents{
		Variants: a, Queries: b, Mean: mean,
		MeanSquareVariants: float64(b) * varianceOfRows,
		MeanSquareQueries:  float64(a) * varianceOfColumns,
		MeanSquareResidual: residual / float64((a-1)*(b-1)),
	}
	if !finite(out.MeanSquareVariants) || !finite(out.MeanSquareQueries) || !finite(out.MeanSquareResidual) {
		return VarianceComponents{}, badInput("values", "are too large")
	}
	out.Residual = out.MeanSquareResidual
	out.BetweenVariants = math.Max(0, (out.MeanSquareVariants-out.Residual)/float64(b))
	out.BetweenQueries = math.Max(0, (out.MeanSquareQueries-out.Residual)/float64(a))
	return out, nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
