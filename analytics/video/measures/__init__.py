"""What is counted and measured of tracks: lines, zones, turning, speed, heat."""
