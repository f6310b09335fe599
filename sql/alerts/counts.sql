-- alerts.counts: how many there are, and how many of them fire
SELECT count(*), count(*) FILTER (WHERE state = 'firing') FROM alert
