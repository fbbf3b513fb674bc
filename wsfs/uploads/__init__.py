"""What was made on the drive and Worksection doesn't have yet: kept safe, and sent once."""
