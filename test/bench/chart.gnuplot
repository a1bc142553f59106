# Draws what chart.awk makes of bench.csv: a bar for each target, on a
# logarithmic scale; those that end right of the line met it.
# Variables: data, chart, head.
set terminal svg size 900, 90 + 20 * int(system("wc -l < ".data)) \
	font "sans-serif,12" background "white"
set output chart
set datafile separator "\t"
set title head noenhanced
lines = int(system("wc -l < ".data))
set lmargin at screen 0.42
set rmargin at screen 0.86
set logscale x 2
set xrange [0.25:16.2]
set yrange [lines - 0.5:-0.5]
set xlabel "share of the target that was reached: 1 is met"
set xtics ("1/4" 0.25, "1/2" 0.5, "1" 1, "2" 2, "4" 4, "8" 8, "16" 16)
set ytics noenhanced scale 0
set grid xtics lc rgb "#dddddd"
set border 1
set style fill solid
set arrow from 1, graph 0 to 1, graph 1 nohead lw 2 lc rgb "#444444" front
unset key
clip(x) = x < 0.25 ? 0.25 : (x > 16 ? 16 : x)
met(x) = x >= 1 ? clip(x) : 1
missed(x) = x < 1 ? clip(x) : 1
plot data using (1):0:(1):(met($1)):($0 - 0.35):($0 + 0.35):ytic(2) \
		with boxxyerror lc rgb "#4a8f5a", \
	"" using (1):0:(missed($1)):(1):($0 - 0.35):($0 + 0.35) \
		with boxxyerror lc rgb "#c0563c", \
	"" using (16):0:3 with labels left offset 1,0 noenhanced font "sans-serif,11"
