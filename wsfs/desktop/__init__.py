"""What a desktop's file managers get of wsfs: entries in the context menu, emblems, and a place in the side bar."""
