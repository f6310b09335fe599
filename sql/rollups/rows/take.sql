 AND hour = ANY ($4)
      AND hour NOT IN (SELECT hour FROM reading_change WHERE channels IS NULL)
