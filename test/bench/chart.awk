# Lines of bench.csv that have a target, for chart.gnuplot: how much of it was
# reached (1 is just met, more is better), a name, and the figure.  Of the
# filters and sorts of lists, the worst stands for all.
function kind(work) {
	if (work ~ /^excluded by /)
		return "search: in 35 % of the rows under a filter (most)"
	if (work ~ /^page at any depth by /)
		return "page at any depth and any sort (p50)"
	return work
}

NR > 1 && $17 != "" {
	split($17, target, " ")
	value = $14 != "" ? $14 : $11
	goal = target[2]
	if (value <= 0 || goal <= 0)
		next
	name = kind($5)
	if ($4 == "growth")
		name = $6 " customers: " name
	else if ($14 != "")
		name = name " / " $6
	if ($8 > 1)
		name = name " " $8 " clients"
	if ($9 == "off" && $4 == "hot")
		name = name " (fsync off)"
	reached = target[1] == ">=" ? value / goal : goal / value
	if (!(name in least))
		names[++count] = name
	else if (reached >= least[name])
		next
	least[name] = reached
	figure[name] = value " (" target[1] " " goal ")"
}

END {
	for (i = 1; i <= count; i++)
		printf "%.4g\t%s\t%s\n", least[names[i]], names[i], figure[names[i]]
}
