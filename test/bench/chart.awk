# Lines of bench.csv that have a target, for chart.gnuplot: how much of the
# target was reached (1 is just met, more is better), and a name.
NR > 1 && $17 != "" {
	split($17, target, " ")
	value = $14 != "" ? $14 : $11
	goal = target[2]
	if (value <= 0 || goal <= 0)
		next
	name = $5
	if ($14 != "")
		name = name " / " $6
	if ($8 > 1)
		name = name ", " $8 " clients"
	if ($9 == "off" && $4 == "hot")
		name = name ", fsync off"
	printf "%.4g\t%s\t%s %s\n", target[1] == ">=" ? value / goal : goal / value,
		name, value, target[1] " " goal
}
